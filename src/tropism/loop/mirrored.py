"""Treatments that are sent the requests of others: what data planes measured of them, and whether it is harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow.compute as pc

from tropism.core.events import LATENCY_BOUNDS, Mirrored
from tropism.experiments.splits.rare import rate_bounds
from tropism.monitoring.service import BUCKETS, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tropism.feedback.cohorts import Cohorts
    from tropism.registry.experiments import Trial

MORE_FAILURES = 0.01
"""Share of rows by which a treatment may fail more often than the control."""
SLOWER, SLOW = 5.0, 0.05
"""A treatment is too slow when it takes longer than so many times the control, and longer than so many seconds, for
more than `SLOW_SHARE` of the calls: the control's time is that of whole requests, exceeded by as many of them."""
SLOW_SHARE = 0.01
_FEWEST = 20
"""Rows, or calls, before anything is said."""
_decode = msgspec.json.Decoder(list[Mirrored]).decode


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What all data planes measured of one treatment since the experiment's start, as `core.events.Mirrored`.

    `p99` and `control_p99`: seconds, of the treatment's calls and of the control's requests; None where there are none.
    `difference`: the mean of the rows' largest differences of a score.
    """

    rows: int = 0
    failures: int = 0
    dropped: int = 0
    control_failures: int = 0
    differing: int = 0
    difference: float = 0.0
    largest: float = 0.0
    p99: float | None = None
    control_p99: float | None = None
    calls: list[int] = []

    @property
    def answered(self) -> int:
        """Rows that it gave scores for."""
        return self.rows - self.failures


def live_figures(cohorts: Cohorts, trial: Trial, now: int) -> dict[str, Live]:
    """The figures of each treatment of an experiment that mirrors requests, by variant; as far as they are in the
    lake, where they come a minute later."""
    start, end = trial.started_at or now, now if trial.ended_at is None else trial.ended_at
    table = cohorts.measured(start, end + 1, ("at", "task", "latency", "mirrored"))
    own = pc.fill_null(pc.equal(table["task"], trial.task), False)
    control = _buckets(pc.list_flatten(table.filter(own)["latency"]).to_numpy(zero_copy_only=False))
    told = [one for text in table["mirrored"].drop_null().to_pylist() for one in _decode(text)]
    found = {}
    for variant in trial.spec.variants[1:]:
        mine = [one for one in told if (one.experiment, one.variant) == (trial.name, variant.name)]
        found[variant.name] = _live(mine, quantile(control, 0.99))
    return found


def harm(live: Live, alpha: float) -> str:
    """Why a treatment is to be stopped before any outcome is known; empty if it is not.

    Rows and calls are taken to fail and to be slow independently; over all looks a treatment that is as good as it
    must be is stopped with probability `alpha` at most.

    >>> harm(Live(rows=500, failures=40), 0.05)
    '40 of 500 rows failed, at least 4.2% of them, and the control failed for 0.0%'
    >>> harm(Live(rows=500, failures=4), 0.05)
    ''
    """
    seen = live.rows + live.dropped + live.control_failures
    usual = live.control_failures / seen if seen else 0.0
    if live.rows >= _FEWEST:
        least, _ = rate_bounds(live.rows, live.failures, alpha / 2)
        if least > usual + MORE_FAILURES:
            shown = f"{live.failures} of {live.rows} rows failed, at least {least:.1%} of them"
            return f"{shown}, and the control failed for {usual:.1%}"
    return _slow(live, alpha / 2)


def _slow(live: Live, alpha: float) -> str:
    calls = sum(live.calls)
    if calls < _FEWEST or live.control_p99 is None:
        return ""
    limit = max(SLOWER * live.control_p99, SLOW)
    first = int(np.searchsorted(LATENCY_BOUNDS, limit)) + 1  # the bucket that begins at the limit or above it
    slow = sum(live.calls[first:])
    least, _ = rate_bounds(calls, slow, alpha)
    if least <= SLOW_SHARE:
        return ""
    return (
        f"{slow} of {calls} calls took longer than {limit * 1_000:.3g} ms, and 99% of the control's requests take at "
        f"most {live.control_p99 * 1_000:.3g} ms"
    )


def _live(told: Sequence[Mirrored], control_p99: float | None) -> Live:
    rows, failures = sum(one.rows for one in told), sum(one.failures for one in told)
    calls = _buckets(np.array([count for one in told for count in one.calls], np.int64))
    return Live(
        rows=rows,
        failures=failures,
        dropped=sum(one.dropped for one in told),
        control_failures=sum(one.control_failures for one in told),
        differing=sum(one.differing for one in told),
        difference=sum(one.difference for one in told) / (rows - failures) if rows > failures else 0.0,
        largest=max((one.largest for one in told), default=0.0),
        p99=quantile(calls, 0.99),
        control_p99=control_p99,
        calls=calls.tolist() if calls.any() else [],
    )


def _buckets(flat: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts by bucket, from those of all events one after the other."""
    counts: NDArray[np.int64] = np.asarray(flat, np.int64).reshape(-1, BUCKETS).sum(axis=0, dtype=np.int64)
    return counts
