"""river's LinUCBDisjoint on the digits. Its upper bound is mean plus deviation of the predicted reward, noise included:
`beta` is the precision of that noise, and `alpha` that of the weights, so that their ratio is the ridge."""

from __future__ import annotations

from typing import Any

from answering import answer
from passing import passed
from river.bandit import LinUCBDisjoint


def run(path: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    beta = settings["beta"]
    bandit = LinUCBDisjoint(alpha=beta * settings["ridge"], beta=beta, seed=seed)
    arms = list(range(settings["arms"]))
    return passed(
        path,
        seed,
        lambda context: int(bandit.pull(arms, context=context)),
        lambda arm, context, reward: bandit.update(arm, context, reward),
        lambda context: dict(enumerate(context.tolist())),
    )


if __name__ == "__main__":
    answer({"run": run})
