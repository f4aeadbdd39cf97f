"""GrowthBook's SDK: its hash and ranges alone, as little as it can do, and the call that an application makes."""

from __future__ import annotations

from typing import Any

from answering import answer
from growthbook import Experiment, GrowthBook
from growthbook.core import chooseVariation, gbhash, getBucketRanges
from rounds import NAMES, SEED, WEIGHTS, nanoseconds, units


def assign(kind: str, count: int, rounds: int) -> dict[str, Any]:
    asked, ranges = units(kind, count), getBucketRanges(len(WEIGHTS), 1, list(WEIGHTS))
    book = GrowthBook()
    experiment = Experiment(key=SEED, variations=list(NAMES), weights=list(WEIGHTS), hashVersion=2, seed=SEED)

    def alone(unit: str) -> str:
        return NAMES[chooseVariation(gbhash(SEED, unit, 2), ranges)]

    def whole(unit: str) -> str:
        book.set_attributes({"id": unit})
        return str(book.run(experiment).value)

    return {
        "variants": [whole(unit) for unit in asked],
        "hash_ns": nanoseconds(alone, asked, rounds),
        "run_ns": nanoseconds(whole, asked[: len(asked) // 10], rounds),
    }


if __name__ == "__main__":
    answer({"assign": assign})
