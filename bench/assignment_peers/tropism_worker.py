"""Tropism, in the project's environment."""

from __future__ import annotations

from typing import Any

from answering import answer
from rounds import NAMES, SEED, WEIGHTS, nanoseconds, units

from tropism.core.experiment import Experiment, Variant
from tropism.experiments.assigning import Assigner


def assign(kind: str, count: int, rounds: int) -> dict[str, Any]:
    variants = tuple(Variant(name=name, weight=weight) for name, weight in zip(NAMES, WEIGHTS, strict=True))
    assigner = Assigner(Experiment(name=SEED, task="t", mode="ab", variants=variants), 1.0)
    asked = units(kind, count)
    return {
        "variants": [assigner.assign(unit).variant for unit in asked],
        "assign_ns": nanoseconds(assigner.assign, asked, rounds),
        "many_ns": nanoseconds(assigner.assign_many, [asked], rounds) / len(asked),
    }


if __name__ == "__main__":
    answer({"assign": assign})
