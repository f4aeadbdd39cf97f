"""Checks of what a policy is given, cheap where nothing is wrong."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.blas import ddot

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown
from tropism.experiments.bandits.settings import Settings

Floats = NDArray[np.float64]
LONGEST = 1e4
"""Largest Euclidean length of a context: beyond it the sums of squares lose what smaller ones add."""


class Rewards(NamedTuple):
    """Decisions with their rewards: (n,), (n, features) or None, (n,)."""

    arms: NDArray[np.int64]
    contexts: Floats | None
    rewards: Floats


def read_context(context: Floats | None, features: int) -> Floats:
    """A context of shape (features,); an empty one where there are no features.

    Raises:
        InvalidInput: another length, not finite, or longer than `LONGEST`.
    """
    if context is None:
        context = np.empty(0)
    if type(context) is not np.ndarray or context.dtype != np.float64:
        context = _numbers("context", context)
    if context.shape != (features,):
        raise _misshapen("context", context, features)
    # Unlike NumPy's, this product does not warn of the overflow that it is here to find.
    if features and not ddot(context, context) <= LONGEST**2:
        raise _too_long("context", context)
    return context


def read_arm(arm: int, arms: int) -> int:
    """Raises `InvalidInput` when there is no such arm."""
    if not (isinstance(arm, int | np.integer) and not isinstance(arm, bool) and 0 <= arm < arms):
        raise InvalidInput("there is no such arm", Fault("arm", shown(arm), f"use a whole number from 0 to {arms - 1}"))
    return int(arm)


def read_reward(reward: float, settings: Settings, whole: bool = False) -> float:
    """Raises `InvalidInput` when a reward is beyond its bounds, or neither 0 nor 1 where it must be one of them."""
    if not (isinstance(reward, int | float | np.number) and settings.low <= reward <= settings.high):
        raise _beyond("reward", reward, settings)
    if whole and reward not in (0, 1):
        raise _broken("reward", reward)
    return float(reward)


def read_many(
    arms: ArrayLike, contexts: Floats | None, rewards: ArrayLike, settings: Settings, whole: bool = False
) -> Rewards:
    """All decisions and their rewards, checked as the three functions above do one by one."""
    taken = np.asarray(arms)
    if taken.ndim != 1 or (taken.size and not np.issubdtype(taken.dtype, np.integer)):
        raise InvalidInput("arms come as one row", Fault("arms", f"shape {taken.shape}", "give whole numbers, (n,)"))
    n = len(taken)
    for place in np.flatnonzero((taken < 0) | (taken >= settings.arms))[:1]:
        fix = f"use a whole number from 0 to {settings.arms - 1}"
        raise InvalidInput("there is no such arm", Fault(f"arms[{place}]", str(taken[place]), fix))
    values = _numbers("rewards", rewards)
    if values.shape != (n,):
        fault = Fault("rewards", f"shape {values.shape}", f"give one for each decision, shape ({n},)")
        raise InvalidInput("rewards do not match the decisions", fault)
    for place in np.flatnonzero(~((values >= settings.low) & (values <= settings.high)))[:1]:
        raise _beyond(f"rewards[{place}]", float(values[place]), settings)
    for place in np.flatnonzero(whole & (values != 0) & (values != 1))[:1]:
        raise _broken(f"rewards[{place}]", float(values[place]))
    return Rewards(taken.astype(np.int64), _contexts(contexts, n, settings.features), values)


def _contexts(contexts: Floats | None, n: int, features: int) -> Floats | None:
    if contexts is None and not features:
        return None
    table = _numbers("contexts", contexts)
    if table.shape != (n, features) or not features:
        fix = f"give shape ({n}, {features})" if features else "leave it out: this policy reads no context"
        raise InvalidInput("contexts do not match", Fault("contexts", f"shape {table.shape}", fix))
    with np.errstate(over="ignore"):
        squares = (table * table).sum(axis=1)
    for place in np.flatnonzero(~(squares <= LONGEST**2))[:1]:
        raise _too_long(f"contexts[{place}]", table[place])
    return np.ascontiguousarray(table)


def _numbers(field: str, values: object) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{field} cannot be read", Fault(field, shown(values), "give numbers")) from error


def _misshapen(field: str, context: Floats, features: int) -> InvalidInput:
    found = "none" if context.shape == (0,) else f"shape {context.shape}"
    fix = f"give {features} numbers, shape ({features},)" if features else "use None: this policy reads no context"
    return InvalidInput("a context of another length", Fault(field, found, fix))


def _too_long(field: str, context: Floats) -> InvalidInput:
    bad = np.flatnonzero(~np.isfinite(context))
    if len(bad):
        fault = Fault(f"{field}[{bad[0]}]", str(context[bad[0]]), "give finite numbers")
        return InvalidInput("a context that is not finite", fault)
    place = int(np.abs(context).argmax())
    fix = f"scale the features: the root of the sum of squares may be {LONGEST:,.0f}"
    return InvalidInput("a context too large to learn from", Fault(f"{field}[{place}]", str(context[place]), fix))


def _beyond(field: str, reward: object, settings: Settings) -> InvalidInput:
    fix = f"give one from {settings.low} to {settings.high}, or declare other bounds (`low`, `high`)"
    return InvalidInput("a reward beyond its bounds", Fault(field, shown(reward), fix))


def _broken(field: str, reward: object) -> InvalidInput:
    fix = "give 0 or 1, or use gaussian-thompson for rewards between them"
    return InvalidInput("a reward that is neither 0 nor 1", Fault(field, shown(reward), fix))
