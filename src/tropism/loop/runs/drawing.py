"""Charts as SVG that stand alone: lines, bars, dots, a grid of shades. They load nothing and run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core import svg
from tropism.core.axes import Scale, nice_ticks, tick_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pair = tuple[float, float]

WIDTH, HEIGHT = 640.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 20.0, 34.0, 46.0
_ROW = 24.0
COLOURS = ("#0b6e99", "#c2571a", "#4f7a28", "#7b4ea3", "#a8324a", "#5f6b7a", "#937b1d", "#1d7f76")
STYLE = """
svg{font:12px system-ui,sans-serif;background:#fff}
text{fill:#333}.title{font-weight:600;font-size:14px}.axis{fill:#555}
.grid{stroke:#ddd}.diagonal{stroke:#999;stroke-dasharray:4 3}.series{fill:none;stroke-width:2}
.light{fill:#fff}.cell{stroke:#fff}.error{stroke:#333;stroke-width:1.5}
"""
_LONGEST = 28
_LETTER = 7.0
"""Width of a letter, about."""
_SLOPE = 0.71
"""Sine of 45 degrees: a name that is slanted so takes that share of its length, across and upwards."""
_DARK = 0.6
_LARGEST = 1e300


def lines(
    title: str,
    series: Sequence[tuple[str, Sequence[Pair]]],
    x_name: str,
    y_name: str,
    *,
    diagonal: bool = False,
    colours: Sequence[int] | None = None,
) -> str:
    """A line for each name, over points (x, y) in order of x. `diagonal`: the line on which y is x. `colours`: the
    place of each in `COLOURS`, by their order unless given."""
    kept = [(name, _finite(points)) for name, points in series]
    points = [pair for _, found in kept for pair in found]
    if not points:
        return _empty(title)
    x, y, frame = _axes(points, x_name, y_name)
    parts = [*frame]
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(svg.line(x(low), y(low), x(high), y(high), "diagonal"))
    places = range(len(kept)) if colours is None else colours
    for place, (name, found) in zip(places, kept, strict=True):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in found)
        parts.append(svg.element("polyline", points=path, class_="series", stroke=colour))
        parts += [_dot(f"{name}: {a:g}, {b:.4g}", x(a), y(b), 2.5, colour) for a, b in found]
    return _figure(title, HEIGHT + _ROW * len(kept), [*parts, *_legend([name for name, _ in kept], places, HEIGHT)])


def dots(title: str, points: Sequence[tuple[str, float, float]], x_name: str, y_name: str) -> str:
    """A dot for each (name, x, y)."""
    kept = [(index, one) for index, one in enumerate(points) if _fits(one[1], one[2])]
    if not kept:
        return _empty(title)
    x, y, frame = _axes([(a, b) for _, (_, a, b) in kept], x_name, y_name)
    drawn = [
        _dot(f"{name}: {a:g}, {b:.4g}", x(a), y(b), 5, COLOURS[index % len(COLOURS)]) for index, (name, a, b) in kept
    ]
    return _figure(title, HEIGHT, [*frame, *drawn])


def bars(title: str, rows: Sequence[tuple[str, float]], ranges: Sequence[Pair | None] | None = None) -> str:
    """A bar for each (name, value), from 0. `ranges`: lower and upper bound of each, drawn as a thin line."""
    kept = [(name, value, span) for (name, value), span in _zipped(rows, ranges) if _fits(value)]
    if not kept:
        return _empty(title)
    ends = (
        [value for _, value, _ in kept] + [end for _, _, span in kept if span and _fits(*span) for end in span] + [0.0]
    )
    left = 210.0
    x = Scale(min(ends), max(ends), left, WIDTH - 80)
    parts = []
    for index, (name, value, span) in enumerate(kept):
        top = _TOP + 10 + index * _ROW
        start, stop = sorted((x(0.0), x(value)))
        colour = COLOURS[index % len(COLOURS)] if len(kept) <= len(COLOURS) else COLOURS[0]
        shape = svg.element("rect", x=start, y=top, width=max(stop - start, 0.5), height=_ROW - 6, fill=colour)
        parts += [svg.hover(f"{name}: {value:.6g}", shape), svg.label(_short(name), left - 8, top + 13, "row", "end")]
        right = stop
        if span is not None and _fits(*span):
            parts.append(svg.line(x(span[0]), top + 9, x(span[1]), top + 9, "error"))
            right = max(stop, x(span[1]))
        parts.append(svg.label(f"{value:.4g}", right + 6, top + 13, "value"))
    return _figure(title, _TOP + 20 + _ROW * len(kept), parts)


def shades(
    title: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[tuple[float | None, str]]]
) -> str:
    """A grid: each cell has a value from -1 (orange) over 0 (white) to 1 (blue), or none, and a sentence."""
    left, wide = 210.0, max(36.0, min(110.0, 420.0 / max(len(columns), 1)))
    longest = max((len(_short(name)) for name in columns), default=0) * _LETTER
    slanted = longest > wide
    top = _TOP + (26 if not slanted else 20 + longest * _SLOPE)
    parts = [
        _heading(_short(name), left + (index + 0.5) * wide, top - 8, slanted) for index, name in enumerate(columns)
    ]
    for place, (name, found) in enumerate(zip(rows, cells, strict=True)):
        at_y = top + place * _ROW
        parts.append(svg.label(_short(name), left - 8, at_y + 16, "row", "end"))
        for index, (value, sentence) in enumerate(found):
            fill = "#eee" if value is None else COLOURS[0] if value >= 0 else COLOURS[1]
            shade = 1.0 if value is None else round(abs(value), 3)
            at_x = left + index * wide
            cell = svg.element(
                "rect", x=at_x, y=at_y, width=wide, height=_ROW, fill=fill, fill_opacity=f"{shade:g}", class_="cell"
            )
            written = "-" if value is None else f"{value:+.2f}"
            kind = "value light" if value is not None and shade > _DARK else "value"
            parts.append(svg.hover(sentence, cell, svg.label(written, at_x + wide / 2, at_y + 16, kind, "middle")))
    width = max(WIDTH, left + wide * len(columns) + 20 + (longest * _SLOPE if slanted else 0.0))
    return _figure(title, top + _ROW * len(rows) + 14, parts, width)


def _heading(name: str, x: float, y: float, slanted: bool) -> str:
    """The name of a column, upwards to the right where it is wider than its column."""
    if not slanted:
        return svg.label(name, x, y, "row", "middle")
    return svg.element("text", svg.text(name), x=x, y=y, class_="row", transform=f"rotate(-45 {x:g} {y:g})")


def _zipped(
    rows: Sequence[tuple[str, float]], ranges: Sequence[Pair | None] | None
) -> list[tuple[tuple[str, float], Pair | None]]:
    return list(zip(rows, ranges if ranges is not None else [None] * len(rows), strict=True))


def _axes(points: Sequence[Pair], x_name: str, y_name: str) -> tuple[Scale, Scale, list[str]]:
    floor = HEIGHT - _BOTTOM
    x = Scale(*_domain([a for a, _ in points]), _LEFT, WIDTH - _RIGHT)
    y = Scale(*_domain([b for _, b in points]), floor, _TOP + 10)
    parts = [svg.label(y_name, 8, _TOP, "axis"), svg.label(x_name, WIDTH - _RIGHT, HEIGHT - 8, "axis", "end")]
    for scale, across in ((x, True), (y, False)):
        ticks = nice_ticks(scale.low, scale.high, 5)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
        for tick in ticks:
            at = scale(tick)
            if across:
                parts.append(svg.label(tick_text(tick, step), at, floor + 18, "tick", "middle"))
            else:
                parts.append(svg.line(_LEFT, at, WIDTH - _RIGHT, at, "grid"))
                parts.append(svg.label(tick_text(tick, step), _LEFT - 8, at + 4, "tick", "end"))
    return x, y, parts


def _domain(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
    return low - pad, high + pad


def _finite(points: Sequence[Pair]) -> list[Pair]:
    return [(a, b) for a, b in points if _fits(a, b)]


def _fits(*values: float) -> bool:
    """Whether these can be drawn: finite, and so is the distance between any two."""
    return all(abs(value) <= _LARGEST for value in values)


def _dot(sentence: str, x: float, y: float, size: float, colour: str) -> str:
    return svg.hover(sentence, svg.element("circle", cx=x, cy=y, r=size, fill=colour))


def _legend(names: Sequence[str], places: Sequence[int], top: float) -> list[str]:
    parts = []
    for index, (name, place) in enumerate(zip(names, places, strict=True)):
        at = top + _ROW * index
        parts.append(svg.element("rect", x=_LEFT, y=at, width=14, height=4, fill=COLOURS[place % len(COLOURS)]))
        parts.append(svg.label(_short(name, 70), _LEFT + 22, at + 7, "row"))
    return parts


def _figure(title: str, height: float, parts: Sequence[str], width: float = WIDTH) -> str:
    return svg.element(
        "svg",
        svg.element("title", svg.text(title)),
        svg.element("style", STYLE),
        svg.label(title, 8, 18, "title"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=title,
    )


def _empty(title: str) -> str:
    return _figure(title, 60, [svg.label("nothing to draw", 8, 44, "axis")])


def _short(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
