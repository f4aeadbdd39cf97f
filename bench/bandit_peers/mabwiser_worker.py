"""MABWiser's LinUCB on the digits, with the same alpha and ridge."""

from __future__ import annotations

from typing import Any

import numpy as np
from answering import answer
from mabwiser.mab import MAB, LearningPolicy
from passing import passed


def run(path: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    policy = LearningPolicy.LinUCB(alpha=settings["alpha"], l2_lambda=settings["ridge"])
    arms = list(range(settings["arms"]))
    bandit = MAB(arms, policy, seed=seed)
    # It must be fitted before it can choose: one context of zeros and no reward tells it nothing.
    bandit.fit([0], [0.0], np.zeros((1, settings["features"])))

    def learn(arm: int, context: Any, reward: float) -> None:
        bandit.partial_fit([arm], [reward], context)

    return passed(path, seed, bandit.predict, learn, lambda context: context[None, :])


if __name__ == "__main__":
    answer({"run": run})
