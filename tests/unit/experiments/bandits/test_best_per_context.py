from __future__ import annotations

from collections import deque

import msgspec
import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.bandits import (
    AnySettings,
    BestPerContext,
    FloatArray,
    LinearThompsonSettings,
    LinUCBSettings,
    Selection,
)

ROUNDS, DELAY = 3_000, 200
SETTINGS: list[AnySettings] = [
    LinUCBSettings(arms=2, features=3, alpha=0.3, explore=0.05, low=-1.0, high=0.0),
    LinearThompsonSettings(arms=2, features=3, spread=0.3, explore=0.05, low=-1.0, high=0.0),
]


def losses(context: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Squared errors of two versions: the first is better where the first feature is below 0, the second elsewhere."""
    errors = np.array([0.1, 0.5]) if context[0] < 0 else np.array([0.5, 0.1])
    return np.minimum((errors + rng.normal(0, 0.1, 2)) ** 2, 1.0)


def routed(router: BestPerContext, delay: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Expected losses of the versions chosen, and of the best one for each context: shape (ROUNDS, 2) summed up."""
    rng, pending = np.random.default_rng(seed), deque[tuple[str, FloatArray, float]]()
    suffered, least = np.zeros(ROUNDS), np.zeros(ROUNDS)
    for place in range(ROUNDS):
        context = rng.uniform(-1, 1, 2)
        chosen = router.choose(context, rng)
        both = losses(context, rng)
        suffered[place], least[place] = both[0 if chosen.version == "old" else 1], both.min()
        pending.append((chosen.version, context, float(suffered[place])))
        if len(pending) > delay:
            router.learn(*pending.popleft())
    return suffered, least


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("delay", [0, DELAY])
def test_each_context_goes_to_the_version_that_is_better_there(settings: AnySettings, delay: int) -> None:
    """Of what lies between a fixed version and the best for each context, at least 80% is got after 1,000 rounds."""
    for seed in range(3):
        suffered, least = routed(BestPerContext(["old", "new"], settings), delay, seed)
        fixed = 0.5 * (0.1**2 + 0.5**2) + 0.1**2
        got = (fixed - suffered[1_000:].mean()) / (fixed - least[1_000:].mean())
        assert got > 0.8


def test_losses_that_mature_out_of_order_teach_the_same() -> None:
    rng, contexts = np.random.default_rng(0), np.random.default_rng(1).uniform(-1, 1, (300, 2))
    versions, seen = rng.choice(["old", "new"], 300), rng.random(300)
    order = rng.permutation(300)
    one, other = (BestPerContext(["old", "new"], SETTINGS[0]) for _ in range(2))
    one.learn_many(versions.tolist(), contexts, seen)
    other.learn_many(versions[order].tolist(), contexts[order], seen[order])
    asked = rng.uniform(-1, 1, 2)
    assert one.choose(asked, rng).scores == pytest.approx(other.choose(asked, rng).scores)


def test_a_stored_selection_goes_on_where_it_was() -> None:
    router, rng = BestPerContext(["old", "new"], SETTINGS[0]), np.random.default_rng(0)
    router.learn("new", np.array([0.5, 0.5]), 0.2)
    read = msgspec.json.decode(msgspec.json.encode(router.state()), type=Selection)
    again = BestPerContext.from_state(read)
    asked = np.array([0.1, 0.2])
    assert again.choose(asked, rng).scores == pytest.approx(router.choose(asked, rng).scores)
    assert again.state().versions == ("old", "new")


def test_a_version_that_stays_keeps_what_was_learned_of_it() -> None:
    router, rng = BestPerContext(["old", "new"], SETTINGS[0]), np.random.default_rng(0)
    router.learn_many(["old", "new"] * 10, rng.uniform(-1, 1, (20, 2)), rng.random(20))
    revised = router.revised(["newest", "new", "third"])
    assert revised.state().state.statistics.count == (0, 10, 0)
    asked = np.array([0.1, 0.2])
    assert revised.choose(asked, rng).scores[1] == pytest.approx(router.choose(asked, rng).scores[1])


def test_wrong_versions_contexts_and_losses_are_named() -> None:
    router, context = BestPerContext(["old", "new"], SETTINGS[0]), np.array([0.1, 0.2])
    for act, field in (
        (lambda: router.learn("older", context, 0.1), "version"),
        (lambda: router.learn_many(["old", "nex"], [context, context], [0.1, 0.1]), "versions[1]"),
        (lambda: router.learn("old", context, 1.5), "reward"),
        (lambda: router.choose(np.ones(3), np.random.default_rng(0)), "context"),
        (lambda: BestPerContext(["old"], SETTINGS[0]), "versions"),
        (lambda: BestPerContext(["old", "old"], SETTINGS[0]), "versions"),
    ):
        with pytest.raises(InvalidInput) as caught:
            act()
        assert caught.value.faults[0].field == field
