"""The units that are assigned, and how long that takes. Standard library only: it runs beside GrowthBook too."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable

SEED = "two-trees"
WEIGHTS = (0.5, 0.3, 0.2)
NAMES = ("now", "a", "b")
BATCH = 200
KINDS = ("12 characters", "20 characters", "uuid")


def units(kind: str, count: int) -> list[str]:
    """Ids of one kind, the same in every process."""
    draw = random.Random(7)
    if kind == "uuid":
        return [str(uuid.UUID(int=draw.getrandbits(128))) for _ in range(count)]
    length = int(kind.split()[0])
    return [f"user-{draw.randrange(10 ** (length - 5)):0{length - 5}}" for _ in range(count)]


def nanoseconds(assign: Callable[[str], object], asked: list[str], rounds: int) -> float:
    """CPU time of one call, in the fastest batch of all rounds: what disturbs a batch only makes it slower."""
    best = float("inf")
    batches = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
    for _ in range(rounds):
        for batch in batches:
            start = time.process_time_ns()
            for unit in batch:
                assign(unit)
            best = min(best, (time.process_time_ns() - start) / len(batch))
    return best
