"""What is said of one window before its labels come."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tropism.core.errors import ArtifactRefused, Fault, InvalidInput
from tropism.evaluation.intervals import Z

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Times = npt.NDArray[np.int64]
Stored = TypeVar("Stored")


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of a window whose labels have not come.

    `low` and `high`: 95% interval of what the metric will turn out to be on these very rows, so it holds both the
    chance in their labels and the error of what was learnt from the reference. `rows`: how many it rests on.
    `value` is None where nothing can be said, and `note` tells why, or what to beware of.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    note: str = ""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Estimates of the predictions made from `start` until before `end`, in µs since the epoch, by metric."""

    start: int
    end: int
    estimates: dict[str, Estimate]


def known(metric: str, value: float, variance: float, rows: int, note: str, highest: float = math.inf) -> Estimate:
    """An estimate with its interval, cut to what the metric can be: from 0 to `highest`.

    >>> found = known("accuracy", 0.9, 0.01, 25, "", 1.0)
    >>> round(found.low, 3), found.high
    (0.704, 1.0)
    """
    reach = Z * math.sqrt(max(variance, 0.0))
    low, high = max(0.0, value - reach), min(highest, value + reach)
    return Estimate(metric=metric, value=value, low=low, high=high, rows=rows, note=note)


def unknown(metrics: Iterable[str], rows: int, note: str) -> dict[str, Estimate]:
    """No estimate of any of the metrics, and why."""
    return {name: Estimate(metric=name, value=None, low=None, high=None, rows=rows, note=note) for name in metrics}


def joined(*notes: str) -> str:
    """Notes as one text; empty ones are left out."""
    return "; ".join(note for note in notes if note)


def by_chunks(
    at: Times, edges: Sequence[int], estimate: Callable[[npt.NDArray[np.int64]], dict[str, Estimate]]
) -> list[Chunk]:
    """What `estimate` says of the rows of each window [edges[i], edges[i + 1]), of empty ones too.

    Raises:
        InvalidInput: fewer than two edges, or edges that do not rise.
    """
    bounds = np.asarray(edges, np.int64)
    if len(bounds) < 2 or np.any(np.diff(bounds) <= 0):
        shown = str(bounds.tolist()[:5])
        raise InvalidInput("edges do not make windows", Fault("chunk_edges", shown, "give two or more, rising"))
    order = np.argsort(at, kind="stable")
    places = np.searchsorted(at[order], bounds, side="left").tolist()
    return [
        Chunk(start=int(bounds[index]), end=int(bounds[index + 1]), estimates=estimate(order[first:last]))
        for index, (first, last) in enumerate(pairwise(places))
    ]


def decoded(data: bytes, kind: type[Stored]) -> Stored:
    """The estimator that `to_bytes` wrote. Raises `ArtifactRefused` when the bytes are none."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as error:
        fix = "fit it on the reference again"
        raise ArtifactRefused(
            f"this is no {kind.__name__}: {error}", Fault("data", f"{len(data)} bytes", fix)
        ) from error
