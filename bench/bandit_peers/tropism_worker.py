"""Tropism's policies on the digits."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from answering import answer
from passing import passed

from tropism.experiments.bandits import AnySettings, open_policy


def run(path: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    policy = open_policy(msgspec.convert(settings, type=AnySettings))
    rng = np.random.default_rng(seed)
    return passed(path, seed, lambda context: policy.choose(context, rng).arm, policy.learn, lambda context: context)


if __name__ == "__main__":
    answer({"run": run})
