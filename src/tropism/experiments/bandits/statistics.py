"""What a policy has learned: sums over rewards, which add up over processes and do not depend on their order."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.experiments.bandits.settings import AnySettings

Floats = NDArray[np.float64]


class Statistics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sums of each of k arms. `count`: rewards. `moment`: sum of reward times context (k, d), or of rewards (k,)
    where there are no contexts. `gram`: sum of the contexts' outer products, (k, d (d + 1) / 2), the upper triangle
    row by row; empty without contexts. Both as little-endian float64."""

    count: tuple[int, ...]
    moment: bytes
    gram: bytes = b""


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a policy: how it chooses and what it has learned.

    >>> from tropism.experiments.bandits import EpsilonGreedySettings, open_policy
    >>> policy = open_policy(EpsilonGreedySettings(arms=2))
    >>> policy.learn(1, None, 1.0)
    >>> stored = msgspec.msgpack.encode(policy.state())
    >>> msgspec.msgpack.decode(stored, type=State).statistics.count
    (0, 1)
    """

    settings: AnySettings
    statistics: Statistics


class Sums(msgspec.Struct):
    """`Statistics` as arrays that can be added to: (k,), (k, d) or (k,), and (k, d, d) or (k, 0, 0)."""

    count: NDArray[np.int64]
    moment: Floats
    gram: Floats


def zeros(arms: int, features: int) -> Sums:
    """Nothing learned yet."""
    moment = np.zeros((arms, features) if features else arms)
    return Sums(np.zeros(arms, dtype=np.int64), moment, np.zeros((arms, features, features)))


def pack(sums: Sums) -> Statistics:
    """The sums as they are stored."""
    rows, columns = np.triu_indices(sums.gram.shape[1])
    return Statistics(
        count=tuple(sums.count.tolist()),
        moment=sums.moment.astype("<f8").tobytes(),
        gram=sums.gram[:, rows, columns].astype("<f8").tobytes(),
    )


def unpack(state: State) -> Sums:
    """The sums of a state, in arrays of their own.

    Raises:
        DataInvalid: sizes that do not fit the settings, counts below 0, or sums that are not finite.
    """
    settings, statistics = state.settings, state.statistics
    sums = zeros(settings.arms, settings.features)
    rows, columns = np.triu_indices(settings.features)
    _check(statistics, sums, len(rows))
    sums.count[:] = statistics.count
    sums.moment[:] = np.frombuffer(statistics.moment, dtype="<f8").reshape(sums.moment.shape)
    if len(rows):
        upper = np.frombuffer(statistics.gram, dtype="<f8").reshape(settings.arms, -1)
        sums.gram[:, rows, columns] = upper
        sums.gram[:, columns, rows] = upper
    if not (np.isfinite(sums.moment).all() and np.isfinite(sums.gram).all() and (sums.count >= 0).all()):
        raise DataInvalid("a bandit's sums are damaged", Fault("statistics", "not finite", "publish the state again"))
    return sums


def _check(statistics: Statistics, sums: Sums, triangle: int) -> None:
    arms = len(sums.count)
    expected = {"count": arms, "moment": sums.moment.size * 8, "gram": arms * triangle * 8}
    for name, size in expected.items():
        found = len(getattr(statistics, name))
        if found != size:
            fault = Fault(f"statistics.{name}", f"length {found}", f"the settings need a length of {size}")
            raise DataInvalid("a bandit's sums do not fit its settings", fault)


def merge(states: Sequence[State], since: State | None = None) -> State:
    """One state that has learned what all of them have; exact up to the rounding of a sum.

    `since`: the state that all of them began from, whose rewards would be counted once for each otherwise.

    Raises:
        InvalidInput: no states, or settings that differ.
        DataInvalid: as in `unpack`, or a state that has fewer rewards than the one it began from.

    >>> from tropism.experiments.bandits import BetaThompsonSettings, open_policy
    >>> one, other = (open_policy(BetaThompsonSettings(arms=2)) for _ in range(2))
    >>> one.learn(0, None, 1.0)
    >>> other.learn(1, None, 0.0)
    >>> merge([one.state(), other.state()]).statistics.count
    (1, 1)
    """
    if not states:
        raise InvalidInput("nothing to merge", Fault("states", "none", "give one or more"))
    for place, state in enumerate([*states, since or states[0]]):
        if state.settings != states[0].settings:
            name = f"states[{place}].settings" if place < len(states) else "since.settings"
            raise InvalidInput("these policies differ", Fault(name, str(state.settings), "merge copies of one policy"))
    total = unpack(states[0])
    for state in states[1:]:
        _add(total, unpack(state), 1)
    if since is not None:
        _add(total, unpack(since), 1 - len(states))
        if (total.count < np.asarray(since.statistics.count)).any():
            raise DataInvalid("fewer rewards than before", Fault("since", "", "give the state that all began from"))
    return State(settings=states[0].settings, statistics=pack(total))


def _add(total: Sums, other: Sums, times: int) -> None:
    total.count += times * other.count
    total.moment += times * other.moment
    total.gram += times * other.gram
