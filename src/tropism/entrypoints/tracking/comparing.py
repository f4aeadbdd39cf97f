"""Several runs beside each other: what differs, what goes with what, what is shown, and which one to take."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import one_of, shown
from tropism.entrypoints.tracking.finding import Curve, Shown, curves, find_run, row_losses
from tropism.entrypoints.tracking.recommending import Better, Recommendation, better_of, recommend
from tropism.entrypoints.tracking.statistics import FEWEST_ROWS, Correlation, PairedDifference, correlations, paired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.loop.runs.telling import RowLosses
    from tropism.registry.tracking import Tracking

MOST = 100
_MOST_METRICS = 8
_MOST_PARAMS = 16
_ASIDE = ("importance/", "baseline/", "curve_", "candidate_loss")
_BOUNDS = ("_low", "_high")


class RunComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `params`: those that differ, by name, a value a run ("" where it has none). `metrics`: those that are
    compared, a value a run. `curves`: by run id. `not_tested`: why there is no test between two runs. `notes`: what was
    left out, and why.
    """

    runs: tuple[Shown, ...]
    metric: str
    better: Better | None
    params: dict[str, tuple[str, ...]]
    metrics: dict[str, tuple[float | None, ...]]
    curves: dict[str, tuple[Curve, ...]]
    correlations: tuple[Correlation, ...]
    tests: tuple[PairedDifference, ...]
    not_tested: tuple[str, ...]
    notes: tuple[str, ...]
    recommendation: Recommendation


def compare_runs(
    tracking: Tracking,
    wanted: Sequence[str],
    now: int,
    *,
    metrics: Sequence[str] = (),
    better: Better | None = None,
) -> RunComparison:
    """Compares runs named as `find_run` has it. `metrics`: which, the one to choose by first; without them those that
    most runs have. `better`: whether more or less of the first is better, where its name does not say so.

    Raises:
        NotFound: there is no such run.
        InvalidInput: fewer than two runs, or more than 100, or a metric that no run has.
    """
    runs = _chosen(tracking, wanted, now)
    names = _metrics(runs, metrics)
    direction = better or (better_of(names[0]) if names else None)
    tests, not_tested = _tests(tracking, runs)
    found, notes = _correlations(runs, names)
    return RunComparison(
        runs=tuple(runs),
        metric=names[0] if names else "",
        better=direction,
        params=_differing(runs),
        metrics={name: tuple(_number(run.metrics.get(name)) for run in runs) for name in names},
        curves={run.id: tuple(curves(tracking, run.id)) for run in runs},
        correlations=tuple(found),
        tests=tuple(tests),
        not_tested=tuple(not_tested),
        notes=tuple(notes),
        recommendation=recommend(runs, names[0] if names else "", direction, tests),
    )


def _chosen(tracking: Tracking, wanted: Sequence[str], now: int) -> list[Shown]:
    found = {run.id: run for run in (find_run(tracking, one, now) for one in dict.fromkeys(wanted[: MOST + 1]))}
    if not 2 <= len(found) <= MOST or len(wanted) > MOST:
        fault = Fault("ids", shown(", ".join(wanted)[:200]), f"name 2 to {MOST} different runs")
        raise InvalidInput("these runs cannot be compared", fault)
    return list(found.values())


def _metrics(runs: Sequence[Shown], asked: Sequence[str]) -> list[str]:
    have = {name for run in runs for name in run.metrics}
    for name in asked:
        if name not in have:
            fault = Fault("metric", shown(name), one_of(name, have, "metrics", "log metrics first"))
            raise InvalidInput("none of these runs has this metric", fault)
    if asked:
        return list(dict.fromkeys(asked))
    counts = {
        name: sum(name in run.metrics for run in runs)
        for name in have
        if not name.startswith(_ASIDE) and not (name.endswith(_BOUNDS) and name.rpartition("_")[0] in have)
    }
    ordered = sorted(counts, key=lambda name: (-counts[name], name != "loss", better_of(name) is None, name))
    return ordered[:_MOST_METRICS]


def _differing(runs: Sequence[Shown]) -> dict[str, tuple[str, ...]]:
    names = sorted({name for run in runs for name in run.params})
    values = {name: tuple(run.params.get(name, "") for run in runs) for name in names}
    return {name: found for name, found in values.items() if len(set(found)) > 1}


def _correlations(runs: Sequence[Shown], names: Sequence[str]) -> tuple[list[Correlation], list[str]]:
    """Over the runs that finished; parameters must be numbers in all of them, and metrics known."""
    kept = [run for run in runs if run.status == "FINISHED"]
    if len(kept) < 2:
        return [], ["fewer than two runs finished, so nothing is correlated"]
    differing = _differing(kept)
    numeric = {name: numbers for name, values in differing.items() if (numbers := _numbers(values)) is not None}
    known = {name: [run.metrics.get(name, math.nan) for run in kept] for name in names}
    complete = {name: values for name, values in known.items() if all(math.isfinite(one) for one in values)}
    notes = []
    texts = sorted(differing.keys() - numeric.keys())
    if texts:
        notes.append(f"not correlated, since not numbers in every run: {', '.join(texts[:10])}")
    gaps = sorted(known.keys() - complete.keys())
    if gaps:
        notes.append(f"not correlated, since some runs lack them: {', '.join(gaps)}")
    if len(numeric) > _MOST_PARAMS:
        notes.append(f"of {len(numeric)} parameters that differ the first {_MOST_PARAMS} by name are correlated")
    chosen = dict(list(numeric.items())[:_MOST_PARAMS])
    return correlations(chosen, complete), notes


def _tests(tracking: Tracking, runs: Sequence[Shown]) -> tuple[list[PairedDifference], list[str]]:
    """Paired differences of all pairs that were judged on the same rows."""
    kept = {run.id: row_losses(tracking, run) for run in runs if run.status == "FINISHED"}
    able = {key: found for key, found in kept.items() if found is not None and len(found.losses) >= FEWEST_ROWS}
    alike = [(a, b) for a, b in combinations(able, 2) if _same_rows(able, a, b)]
    tests = []
    for a, b in alike:
        first, second = (np.asarray(able[key].losses, dtype=np.float64) for key in (a, b))
        found = paired(a, b, able[a].metric, first, second, pairs=len(alike))
        if found is not None:
            tests.append(found)
    why = []
    lacking = [run.name for run in runs if run.id not in able]
    if lacking:
        why.append(f"no losses by row (or fewer than {FEWEST_ROWS}), so only figures: {', '.join(lacking[:10])}")
    if len(alike) < math.comb(len(able), 2):
        why.append("some runs were judged on other rows than others: their figures differ by the rows too")
    return tests, why


def _same_rows(able: Mapping[str, RowLosses], a: str, b: str) -> bool:
    first, second = able[a], able[b]
    return (first.rows, first.metric, len(first.losses)) == (second.rows, second.metric, len(second.losses))


def _numbers(values: Sequence[str]) -> list[float] | None:
    words = {"true": 1.0, "false": 0.0}
    try:
        found = [words[one.lower()] if one.lower() in words else float(one) for one in values]
    except ValueError:
        return None
    return found if all(math.isfinite(one) for one in found) else None


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
