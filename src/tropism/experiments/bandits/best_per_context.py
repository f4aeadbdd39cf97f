"""Several versions of a model live at once, and each request goes to the one that is likely to do best on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import one_of, shown
from tropism.experiments.bandits.base import FloatArray
from tropism.experiments.bandits.opening import from_state, open_policy
from tropism.experiments.bandits.settings import AnySettings
from tropism.experiments.bandits.statistics import State, pack, unpack, zeros


class Selected(NamedTuple):
    """`propensity`: the probability with which this version was chosen; log it with the prediction."""

    version: str
    propensity: float
    scores: FloatArray


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `BestPerContext` as it is stored. `versions`: name of each arm, in their order."""

    versions: tuple[str, ...]
    state: State


class BestPerContext:
    """A contextual bandit whose arms are model versions and whose reward is minus the loss of the matured outcome.

    Contexts are the model's features, or a few that tell the regions apart; scale them to sizes around 1. An
    intercept is added here. Losses mature late: until then `choose` goes by what is known, so `explore` in the
    settings decides how soon a version that was bad at first is tried again.

    >>> from tropism.experiments.bandits import LinUCBSettings
    >>> settings = LinUCBSettings(arms=2, features=2, alpha=0.1, low=-1.0, high=0.0)
    >>> router = BestPerContext(["champion", "challenger"], settings)
    >>> left, right = np.array([-1.0]), np.array([1.0])
    >>> versions, contexts = ["champion", "challenger"] * 40, np.array([[-1.0], [-1.0], [1.0], [1.0]] * 20)
    >>> router.learn_many(versions, contexts, [0.1, 0.4, 0.4, 0.1] * 20)
    >>> rng = np.random.default_rng(0)
    >>> router.choose(left, rng).version, router.choose(right, rng).version
    ('champion', 'challenger')
    """

    def __init__(self, versions: Sequence[str], settings: AnySettings) -> None:
        """`settings.features`: one more than the contexts have, for the intercept; bounds: of minus the loss.

        Raises:
            InvalidInput: versions that are not as many as arms, or named twice; else as `open_policy`.
        """
        self._versions = _checked(versions, settings.arms)
        self._policy = open_policy(settings)

    @classmethod
    def from_state(cls, selection: Selection) -> BestPerContext:
        """Raises as the constructor and as `opening.from_state`."""
        made = cls(selection.versions, selection.state.settings)
        made._policy = from_state(selection.state)
        return made

    def state(self) -> Selection:
        """To be stored or published."""
        return Selection(versions=tuple(self._versions), state=self._policy.state())

    def choose(self, context: FloatArray, rng: np.random.Generator) -> Selected:
        """The version for a context of shape (features,).

        Raises:
            InvalidInput: a context of another length, or one that is not finite.
        """
        choice = self._policy.choose(_with_intercept(context), rng)
        return Selected(self._versions[choice.arm], choice.propensity, choice.scores)

    def learn(self, version: str, context: FloatArray, loss: float) -> None:
        """Takes in a matured loss.

        Raises:
            InvalidInput: no such version, a context as in `choose`, or a loss beyond the bounds of the settings.
        """
        self._policy.learn(self._arm("version", version), _with_intercept(context), -loss)

    def learn_many(self, versions: Sequence[str], contexts: ArrayLike, losses: ArrayLike) -> None:
        """Takes in n matured losses in any order: (n,), (n, features), (n,). Raises as `learn`."""
        arms = [self._arm(f"versions[{place}]", version) for place, version in enumerate(versions)]
        self._policy.learn_many(np.array(arms, dtype=np.int64), _with_intercept(contexts), -np.asarray(losses))

    def revised(self, versions: Sequence[str]) -> BestPerContext:
        """One for other versions: those that stay keep what was learned of them, new ones begin with nothing.

        Raises:
            InvalidInput: no version, or one named twice.
        """
        old = self.state()
        settings = msgspec.structs.replace(old.state.settings, arms=len(versions))
        known, sums = unpack(old.state), zeros(settings.arms, settings.features)
        for place, version in enumerate(_checked(versions, len(versions))):
            if version in old.versions:
                arm = old.versions.index(version)
                sums.count[place], sums.moment[place] = known.count[arm], known.moment[arm]
                sums.gram[place] = known.gram[arm]
        state = State(settings=settings, statistics=pack(sums))
        return BestPerContext.from_state(Selection(versions=tuple(versions), state=state))

    def _arm(self, field: str, version: str) -> int:
        if version not in self._versions:
            fix = one_of(str(version), self._versions, "versions", "give one")
            raise InvalidInput("this version is not among the arms", Fault(field, shown(version), fix))
        return self._versions.index(version)


def _checked(versions: Sequence[str], arms: int) -> list[str]:
    if len(versions) != arms or len(set(versions)) != len(versions):
        fix = f"give {arms} different names, one for each arm"
        raise InvalidInput("versions do not match the arms", Fault("versions", str(list(versions)), fix))
    return list(versions)


def _with_intercept(contexts: ArrayLike) -> FloatArray:
    table = np.asarray(contexts, dtype=np.float64)
    return np.concatenate([table, np.ones((*table.shape[:-1], 1))], axis=-1)
