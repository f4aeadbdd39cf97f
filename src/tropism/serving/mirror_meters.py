"""What was counted of treatments that are sent the requests of others, as it is journaled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.events import Mirrored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.serving.meters import Meters

Labels = tuple[str, str, str]
"""Task, experiment, variant."""


def mirrored_totals(meters: Meters) -> dict[Labels, Mirrored]:
    """What the meters hold of each treatment. From any thread."""
    rows = meters.mirrored.values.copy()
    dropped, control = meters.mirrored_dropped.values.copy(), meters.mirrored_control.values.copy()
    calls = {labels: counts.copy() for labels, counts in meters.mirrored_latency.counts.copy().items()}
    seconds, difference = meters.mirrored_latency.sums.copy(), meters.mirrored_difference.sums.copy()
    differing, largest = meters.mirrored_differing.values.copy(), meters.mirrored_largest.copy()
    found = {}
    for labels in sorted({*(one[:3] for one in rows), *dropped, *control}):
        failures = rows.get((*labels, "failed"), 0)
        task, experiment, variant = labels
        found[task, experiment, variant] = Mirrored(
            task=task,
            experiment=experiment,
            variant=variant,
            rows=rows.get((*labels, "answered"), 0) + failures,
            failures=failures,
            dropped=dropped.get(labels, 0),
            control_failures=control.get(labels, 0),
            differing=differing.get(labels, 0),
            calls=calls.get(labels, []),
            seconds=seconds.get(labels, 0.0),
            difference=difference.get(labels, 0.0),
            largest=largest.get(labels, 0.0),
        )
    return found


def mirrored_since(before: Mapping[Labels, Mirrored], now: Mapping[Labels, Mirrored]) -> list[Mirrored]:
    """What came since, of the treatments where anything did; `largest` is of all time."""
    found = []
    for labels, one in now.items():
        earlier = before.get(labels)
        if earlier is None:
            found.append(one)
        elif earlier != one:
            found.append(_since(earlier, one))
    return found


def _since(before: Mirrored, now: Mirrored) -> Mirrored:
    earlier = before.calls or [0] * len(now.calls)
    calls = [a - b for a, b in zip(now.calls, earlier, strict=True)]
    return Mirrored(
        task=now.task,
        experiment=now.experiment,
        variant=now.variant,
        rows=now.rows - before.rows,
        failures=now.failures - before.failures,
        dropped=now.dropped - before.dropped,
        control_failures=now.control_failures - before.control_failures,
        differing=now.differing - before.differing,
        calls=calls if any(calls) else [],
        seconds=max(0.0, now.seconds - before.seconds),
        difference=max(0.0, now.difference - before.difference),
        largest=now.largest,
    )
