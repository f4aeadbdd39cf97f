"""The report's charts. Those over time are drawn for a wide and a narrow page; the style sheet shows one of them."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from tropism.core import svg
from tropism.core.axes import Scale, nice_ticks, tick_text, time_ticks
from tropism.monitoring.health.wording import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.monitoring.health.moved import Group

_LABEL_GAP = 16.0
_ROW, _BAR = 30.0, 9.0


class Point(NamedTuple):
    """A value at a time (µs), with its interval where it has one."""

    at: int
    value: float
    low: float | None = None
    high: float | None = None


class Line(NamedTuple):
    """`style`: a name in the style sheet, which gives it a colour and a dash of its own."""

    name: str
    style: str
    points: tuple[Point, ...]


class Mark(NamedTuple):
    """Something that happened at a time (µs): `name` is written, `sentence` shown when pointed at."""

    at: int
    name: str
    sentence: str


class Frame(NamedTuple):
    """What a chart over time is of. `span`: of time (µs); `limits`: of the values, None: as they need. `level`: a
    value to be marked, with its name."""

    ident: str
    title: str
    description: str
    axis: str
    span: tuple[int, int]
    limits: tuple[float, float] | None = None
    level: tuple[float, str] | None = None


class _Size(NamedTuple):
    name: str
    width: float
    height: float
    left: float
    right: float
    ticks: int


_SIZES = (_Size("wide", 960, 300, 58, 108, 7), _Size("narrow", 400, 270, 46, 100, 3))


def begin(start: int, lines: Sequence[Line]) -> int:
    """Where a chart of a period from `start` (µs) begins: no earlier than there is something to show."""
    return max(start, min((point.at for line in lines for point in line.points), default=start))


def over_time(frame: Frame, lines: Sequence[Line], marks: Sequence[Mark] = ()) -> str:
    """Lines over time, their intervals as bands; what happened as upright lines."""
    drawn = [line for line in map(_finite, lines) if line.points]
    return "".join(_over_time(frame, drawn, marks, size) for size in _SIZES) if drawn else ""


def histogram(ident: str, title: str, found: Sequence[Group]) -> str:
    """Shares of the reference's rows (hollow) and of the current ones (filled), two bars for each group."""
    left, right, width = 112.0, 46.0, 340.0
    most = max((max(group.reference, group.current) for group in found), default=0.0) or 1.0
    x = Scale(0.0, most, left, width - right)
    parts = []
    for position, group in enumerate(found):
        top = 4 + position * _ROW
        parts.append(svg.label(_short(group.name, 16), left - 8, top + _ROW / 2 + 1, "row", "end"))
        values = ((group.reference, "reference"), (group.current, "current"))
        for offset, (value, style) in enumerate(values):
            y = top + 2 + offset * (_BAR + 2)
            bar = svg.element("rect", x=left, y=y, width=max(x(value) - left, 0.5), height=_BAR, class_=f"bar {style}")
            said = f"{group.name}: {style} {share(value)}"
            parts.append(svg.hover(said, bar, svg.label(share(value), x(value) + 5, y + _BAR, "value")))
    description = "; ".join(f"{g.name}: reference {share(g.reference)}, current {share(g.current)}" for g in found)
    return svg.figure(ident, width, 8 + _ROW * len(found), title, description, *parts, class_="bars")


def gauge(ident: str, value: float | None, written: str, description: str) -> str:
    """A share, 0 to 1, as a bar with its length written beside it."""
    track = svg.element("rect", x=0.5, y=0.5, width=119, height=11, class_="track")
    parts = (
        [track]
        if value is None
        else [track, svg.element("rect", x=0.5, y=0.5, width=119 * value, height=11, class_="fill")]
    )
    return svg.figure(ident, 120, 12, written, description, *parts, class_="gauge")


def key(style: str) -> str:
    """A line as it is drawn in the charts, for a legend."""
    line = svg.element("polyline", points="0,5 26,5", class_=f"series s-{style}")
    return svg.element("svg", line, viewBox="0 0 26 10", class_="key", aria_hidden="true")


def _over_time(frame: Frame, lines: Sequence[Line], marks: Sequence[Mark], size: _Size) -> str:
    floor = size.height - 34
    x = Scale(*frame.span, size.left, size.width - size.right)
    y = Scale(*(frame.limits or _limits(lines)), floor, 34)
    parts = [
        *_axes(x, y, size, floor),
        svg.label(frame.axis, 4, 14, "axis"),
        *_marks(marks, x, floor),
        *(_level(frame.level, y, size) if frame.level else []),
        *(_band(line, x, y) for line in lines),
        *(_drawn(line, x, y) for line in lines),
        *_names(lines, y, size),
    ]
    ident = f"{frame.ident}-{size.name}"
    return svg.figure(
        ident, size.width, size.height, frame.title, frame.description, *parts, class_=f"chart {size.name}"
    )


def _finite(line: Line) -> Line:
    """The points that can be drawn."""
    kept = (point for point in line.points if isfinite(point.value))
    whole = (point if isfinite((point.low or 0) + (point.high or 0)) else point[:2] for point in kept)
    return line._replace(points=tuple(Point(*point) for point in whole))


def _limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Of the values, and of as much of the intervals as lies within three times their spread."""
    values = [point.value for line in lines for point in line.points]
    low, high = min(values), max(values)
    reach = (high - low) or abs(high) * 0.1 or 1.0
    bounds = [bound for line in lines for p in line.points for bound in (p.low, p.high) if bound is not None]
    bottom = max(min([low, *bounds]), low - reach)
    top = min(max([high, *bounds]), high + reach)
    pad = 0.06 * (top - bottom) or reach
    return (max(0.0, bottom - pad) if bottom >= 0 else bottom - pad), top + pad


def _axes(x: Scale, y: Scale, size: _Size, floor: float) -> list[str]:
    values = nice_ticks(y.low, y.high, 5)
    step = values[1] - values[0] if len(values) > 1 else 1.0
    parts = [svg.line(size.left, y(value), size.width - size.right, y(value), "grid") for value in values]
    parts += [svg.label(tick_text(value, step), size.left - 8, y(value) + 4, "tick", "end") for value in values]
    for at, written in time_ticks(int(x.low), int(x.high), size.ticks):
        parts.append(svg.line(x(at), floor + 6, x(at), floor + 11, "axis-line"))
        parts.append(svg.label(written, x(at), floor + 25, "tick", "middle"))
    return parts


def _level(level: tuple[float, str], y: Scale, size: _Size) -> list[str]:
    at_y = y(level[0])
    return [
        svg.line(size.left, at_y, size.width - size.right, at_y, "level"),
        svg.label(level[1], size.left + 4, at_y - 5, "level-name"),
    ]


def _band(line: Line, x: Scale, y: Scale) -> str:
    """The intervals of a line; a gap where there is none."""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for point in line.points:
        if point.low is None or point.high is None:
            runs.append([])
            continue
        runs[-1].append((x(point.at), _within(y(point.low), y), _within(y(point.high), y)))
    drawn = []
    for run in (run for run in runs if len(run) > 1):
        there = [f"{at:.1f},{high:.1f}" for at, _, high in run]
        back = [f"{at:.1f},{low:.1f}" for at, low, _ in reversed(run)]
        drawn.append(svg.element("polygon", points=" ".join(there + back), class_=f"band s-{line.style}"))
    return "".join(drawn)


def _drawn(line: Line, x: Scale, y: Scale) -> str:
    places = [(x(point.at), _within(y(point.value), y)) for point in line.points]
    dots = [svg.element("circle", cx=at, cy=value, r=2.2, class_=f"dot s-{line.style}") for at, value in places]
    points = " ".join(f"{at:.1f},{value:.1f}" for at, value in places)
    path = svg.element("polyline", points=points, class_=f"series s-{line.style}")
    return path + "".join(dots if len(dots) <= 60 else [])


def _names(lines: Sequence[Line], y: Scale, size: _Size) -> list[str]:
    """The lines' names at their ends, moved apart where they would overlap."""
    ends = sorted(((_within(y(line.points[-1].value), y), line) for line in lines), key=lambda end: end[0])
    places = [at for at, _ in ends]
    for position in range(1, len(places)):
        places[position] = max(places[position], places[position - 1] + _LABEL_GAP)
    excess = max(places[-1] - y.start, 0.0) if places else 0.0
    return [
        svg.label(line.name, size.width - size.right + 10, place - excess + 4, f"name s-{line.style}")
        for place, (_, line) in zip(places, ends, strict=True)
    ]


def _marks(marks: Sequence[Mark], x: Scale, floor: float) -> list[str]:
    parts, free = [], 0.0
    for mark in sorted(marks):
        at = x(mark.at)
        name = svg.label(mark.name, at, 27, "mark-name", "middle") if at >= free else ""
        free = at + 8 * len(mark.name) if name else free
        parts.append(svg.hover(mark.sentence, svg.line(at, 32, at, floor, "mark"), name))
    return parts


def _within(place: float, y: Scale) -> float:
    return min(max(place, y.end), y.start)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
