"""The report's charts. Each is drawn for a wide and for a narrow page; the style sheet shows one of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tropism.core import svg
from tropism.core.axes import Scale, nice_ticks, tick_text, time_ticks
from tropism.entrypoints.replay.axes import event_ticks, moment_text
from tropism.entrypoints.replay.wording import figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.entrypoints.replay.summary import Bin

STYLED = ("loop", "static", "scheduled", "no-change")
"""Policies that have a colour and a dash of their own."""
_STRIP = 22.0
_LABEL_GAP = 16.0


@dataclass(frozen=True)
class Series:
    """A line: its name and its points (µs, value) in order."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Mark:
    """A decision on the chart. `kind`: promote, rollback or train. `version`: the champion from then on."""

    at: int
    kind: str
    version: int | None
    sentence: str


@dataclass(frozen=True)
class Size:
    """A drawing's size and margins, in its own units."""

    name: str
    width: float
    height: float
    left: float
    right: float
    ticks: int


WIDE = Size("wide", 960, 380, 58, 104, 7)
NARROW = Size("narrow", 400, 330, 42, 92, 3)


def metric_chart(
    series: Sequence[Series], marks: Sequence[Mark], *, axis: str, dated: bool, title: str, description: str
) -> str:
    """The metric over time, a line for each policy; decisions on the loop's line; who was champion, below."""
    return "".join(_metric(series, marks, axis, dated, title, description, size) for size in (WIDE, NARROW))


def calibration_chart(name: str, bins: Sequence[Bin], *, span: tuple[float, float], description: str) -> str:
    """Mean score against mean outcome for one policy; on the diagonal where it keeps its word."""
    side, left, bottom = 210.0, 40.0, 30.0
    x = Scale(*span, left, side - 14)
    y = Scale(*span, side - bottom, 8)
    ticks = nice_ticks(*span, 3)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    grid = [svg.line(left, y(tick), side - 14, y(tick), "grid") for tick in ticks]
    grid += [svg.label(tick_text(tick, step), left - 6, y(tick) + 4, "tick", "end") for tick in ticks]
    grid += [svg.label(tick_text(tick, step), x(tick), side - bottom + 16, "tick", "middle") for tick in ticks]
    path = " ".join(f"{x(b.predicted):.1f},{y(b.observed):.1f}" for b in bins)
    total = sum(b.n for b in bins)
    dots = [
        svg.hover(
            f"{name}: predicted {figure(b.predicted)}, observed {figure(b.observed)}, {b.n:,} events",
            svg.element("circle", cx=x(b.predicted), cy=y(b.observed), r=3 + 5 * (b.n / total) ** 0.5, class_="dot"),
        )
        for b in bins
    ]
    return svg.figure(
        f"calibration-{_slug(name)}",
        side,
        side,
        f"Calibration of {name}",
        description,
        *grid,
        svg.line(x(span[0]), y(span[0]), x(span[1]), y(span[1]), "diagonal"),
        svg.element("polyline", points=path, class_="series"),
        *dots,
        class_=f"calibration {_series_class(name)}",
    )


def drift_chart(
    rows: Sequence[tuple[str, Sequence[float | None]]],
    edges: Sequence[int],
    *,
    top: float,
    dated: bool,
    title: str,
    description: str,
) -> str:
    """Scores as shades: a row for each feature, a column for each span of time between two `edges`."""
    return "".join(_drift(rows, edges, top, dated, title, description, size) for size in (WIDE, NARROW))


def legend_shades(top: float) -> str:
    """What the drift chart's shades mean."""
    cells = [
        svg.element(
            "rect", x=position * 28.0 + 0.5, y=0.5, width=28, height=12, class_="cell key", fill_opacity=_shade(share)
        )
        for position, share in enumerate((0.0, 0.25, 0.5, 0.75, 1.0))
    ]
    ends = [svg.label("0", 1, 27, "tick"), svg.label(f"{top:g}", 140, 27, "tick", "end")]
    title = f"Shades from 0 to {top:g}"
    return svg.figure("shades", 150, 32, title, "A stronger shade is a larger score.", *cells, *ends, class_="shades")


def _metric(
    series: Sequence[Series],
    marks: Sequence[Mark],
    axis: str,
    dated: bool,
    title: str,
    description: str,
    size: Size,
) -> str:
    times = [at for one in series for at, _ in one.points]
    floor = size.height - 34 - _STRIP
    low, high, outside = _domain(series)
    x = Scale(min(times), max(times), size.left, size.width - size.right)
    y = Scale(low, high, floor, 30)
    ident = f"metric-{size.name}"
    clip = svg.element(
        "clipPath",
        svg.element("rect", x=size.left, y=22, width=size.width - size.left - size.right + 4, height=floor - 20),
        id=f"{ident}-clip",
    )
    lines = [
        svg.element(
            "polyline",
            points=" ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in one.points),
            class_=f"series {_series_class(one.name)}",
            clip_path=f"url(#{ident}-clip)",
        )
        for one in _loop_last(series)
    ]
    parts = [
        clip,
        *_frame(x, y, size, floor, dated),
        svg.label(axis, 4, 14, "axis"),
        *lines,
        *_names(series, y, size, outside, (low, high)),
        *_champions(marks, x, size, floor),
        *_marks(series, marks, x, y, floor),
    ]
    return svg.figure(ident, size.width, size.height, title, description, *parts, class_=f"chart {size.name}")


def _frame(x: Scale, y: Scale, size: Size, floor: float, dated: bool) -> list[str]:
    values = nice_ticks(y.low, y.high, 5)
    step = values[1] - values[0] if len(values) > 1 else 1.0
    parts = [svg.line(size.left, y(value), size.width - size.right, y(value), "grid") for value in values]
    parts += [svg.label(tick_text(value, step), size.left - 8, y(value) + 4, "tick", "end") for value in values]
    if not dated:
        parts.append(svg.label("event", size.width - size.right + 10, floor + _STRIP + 25, "tick"))
    return [*parts, *_time_axis(x, size, floor + _STRIP + 6, dated)]


def _time_axis(x: Scale, size: Size, at_y: float, dated: bool) -> list[str]:
    parts = []
    for at, written in (time_ticks if dated else event_ticks)(int(x.low), int(x.high), size.ticks):
        parts.append(svg.line(x(at), at_y, x(at), at_y + 5, "axis-line"))
        parts.append(svg.label(written, x(at), at_y + 19, "tick", "middle"))
    return parts


def _names(
    series: Sequence[Series], y: Scale, size: Size, outside: frozenset[str], domain: tuple[float, float]
) -> list[str]:
    """The lines' names at their ends, moved apart where they would overlap."""
    ends = [(min(max(y(one.points[-1][1]), y.end), y.start), one) for one in series]
    ends.sort(key=lambda end: end[0])
    places: list[float] = []
    for at, _ in ends:
        places.append(max(at, places[-1] + _LABEL_GAP) if places else at)
    excess = places[-1] - y.start if places else 0.0
    if excess > 0:
        places = [place - excess for place in places]
    parts = []
    for place, (_, one) in zip(places, ends, strict=True):
        arrow = ""
        if one.name in outside:
            arrow = " ↑" if one.points[-1][1] > domain[1] else " ↓"
        parts.append(
            svg.label(one.name + arrow, size.width - size.right + 10, place + 4, f"name {_series_class(one.name)}")
        )
    return parts


def _champions(marks: Sequence[Mark], x: Scale, size: Size, floor: float) -> list[str]:
    """A strip that says which version was champion when."""
    moves = [mark for mark in marks if mark.kind in ("promote", "rollback") and mark.version is not None]
    end = size.width - size.right
    parts = [svg.label("champion", end + 10, floor + _STRIP - 3, "tick")]
    starts = [max(x(mark.at), size.left) for mark in moves]
    for position, (mark, start) in enumerate(zip(moves, starts, strict=True)):
        stop = starts[position + 1] if position + 1 < len(starts) else end
        width = max(stop - start, 0.5)
        shade = svg.element(
            "rect", x=start, y=floor + 8, width=width, height=_STRIP - 8, class_=f"reign r{position % 2}"
        )
        written = f"v{mark.version}"
        shown = svg.label(written, start + width / 2, floor + _STRIP - 3, "reign-name", "middle")
        parts.append(
            svg.hover(f"version {mark.version} was champion", shade, shown if width > 9 * len(written) else "")
        )
    return parts


def _marks(series: Sequence[Series], marks: Sequence[Mark], x: Scale, y: Scale, floor: float) -> list[str]:
    """Decisions: ticks at the foot for trainings, triangles on the loop's line for promotions and rollbacks."""
    carrier = next((one for one in series if one.name == "loop"), series[0])
    parts = []
    for mark in sorted(marks, key=lambda one: one.kind != "train"):
        at_x = min(max(x(mark.at), x.start), x.end)
        if mark.kind == "train":
            shape = svg.line(at_x, floor - 1, at_x, floor + 6, "train")
            # A line this thin is hard to point at.
            target = svg.element("rect", x=at_x - 3, y=floor - 4, width=6, height=12, class_="target")
            parts.append(svg.hover(mark.sentence, shape, target))
            continue
        at_y = min(max(y(_value_at(carrier.points, mark.at)), y.end), y.start)
        up = mark.kind == "promote"
        tip, base = (at_y - 17, at_y - 6) if up else (at_y + 17, at_y + 6)
        points = f"{at_x:.1f},{tip:.1f} {at_x - 6:.1f},{base:.1f} {at_x + 6:.1f},{base:.1f}"
        parts.append(svg.hover(mark.sentence, svg.element("polygon", points=points, class_=mark.kind)))
    return parts


def _drift(
    rows: Sequence[tuple[str, Sequence[float | None]]],
    edges: Sequence[int],
    top: float,
    dated: bool,
    title: str,
    description: str,
    size: Size,
) -> str:
    left, row_height = (150.0, 24.0) if size.name == "wide" else (104.0, 26.0)
    height = 8 + row_height * len(rows)
    x = Scale(edges[0], edges[-1], left, size.width - 10)
    parts = []
    for position, (name, scores) in enumerate(rows):
        at_y = 4 + position * row_height
        most = 20 if size.name == "wide" else 13
        shown = name if len(name) <= most else name[: most - 1] + "…"
        parts.append(svg.label(shown, left - 8, at_y + row_height / 2 + 4, "row", "end"))
        for (start, stop), score in zip(pairwise(edges), scores, strict=True):
            if score is None:
                continue
            cell = svg.element(
                "rect",
                x=x(start) + 0.5,
                y=at_y + 1,
                width=max(x(stop) - x(start) - 1, 0.5),
                height=row_height - 2,
                class_="cell",
                fill_opacity=_shade(score / top),
            )
            parts.append(svg.hover(f"{name}: {figure(score)} at {moment_text(stop, dated)}", cell))
    parts += _time_axis(x, size, height, dated)
    return svg.figure(
        f"drift-{size.name}", size.width, height + 26, title, description, *parts, class_=f"chart {size.name}"
    )


def _domain(series: Sequence[Series]) -> tuple[float, float, frozenset[str]]:
    """The values shown. A line that lies far from all others is left outside rather than flatten them."""
    spans = {one.name: (min(v for _, v in one.points), max(v for _, v in one.points)) for one in series}
    outside: set[str] = set()
    for one in series:
        others = [spans[name] for name in spans if name != one.name]
        if one.name != "no-change" or not others:
            continue
        low, high = min(o[0] for o in others), max(o[1] for o in others)
        middle = sorted(v for _, v in one.points)[len(one.points) // 2]
        reach = 1.5 * (high - low)
        if middle > high + reach or middle < low - reach:
            outside.add(one.name)
    kept = [span for name, span in spans.items() if name not in outside]
    low, high = min(span[0] for span in kept), max(span[1] for span in kept)
    pad = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return (max(low - pad, 0.0) if low >= 0 else low - pad), high + pad, frozenset(outside)


def _value_at(points: Sequence[tuple[int, float]], at: int) -> float:
    """The line's height at a moment."""
    if at <= points[0][0]:
        return points[0][1]
    for (left, before), (right, after) in pairwise(points):
        if at <= right:
            return before + (after - before) * (at - left) / max(right - left, 1)
    return points[-1][1]


def _loop_last(series: Sequence[Series]) -> list[Series]:
    return sorted(series, key=lambda one: one.name == "loop")


def _series_class(name: str) -> str:
    return f"s-{name if name in STYLED else 'other'}"


def _shade(share: float) -> float:
    return round(0.04 + 0.96 * min(max(share, 0.0), 1.0), 2)


def _slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
