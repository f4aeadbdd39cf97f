"""A model card as Markdown and as one self-contained page. Both say the same, from the same sections."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.clock import SECOND
from tropism.monitoring.health.markup import listing, section, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.registry.cards import Card, CardFeature

UNKNOWN = "not assessed"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")


class Section(NamedTuple):
    """A heading with lines of text, and rows under a head if there are any."""

    title: str
    lines: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def markdown(card: Card) -> str:
    """The card as Markdown. What comes from the data is escaped."""
    parts = [f"# Model card: {_plain(card.model)}, version {card.version}"]
    for one in sections(card):
        parts.append(f"## {one.title}")
        if one.lines:
            parts.append("\n".join(f"- {_plain(line)}" for line in one.lines))
        if one.rows:
            rows = [one.head, ["---"] * len(one.head), *([_plain(cell) for cell in row] for row in one.rows)]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(parts) + "\n"


def page(card: Card) -> str:
    """The card as one page that loads nothing. What comes from the data is escaped."""
    title = escape(f"Model card: {card.model}, version {card.version}")
    style = (files("tropism.monitoring.health") / "page.css").read_text("utf-8")
    body = "\n".join(
        section(
            one.title,
            listing(one.lines, most=len(one.lines)) if one.lines else "",
            table(one.head, one.rows, caption=one.title) if one.rows else "",
        )
        for one in sections(card)
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<meta http-equiv="Content-Security-Policy" '
        f"content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n</header>\n<main>\n{body}\n</main>\n"
        f"<footer>\n<p>Times are UTC. What could not be told is said to be {UNKNOWN}.</p>\n</footer>\n"
        "</body>\n</html>\n"
    )


def sections(card: Card) -> list[Section]:
    """What a card says, in order. Every part is there; what nobody knows is said to be not assessed."""
    return [
        _purpose(card),
        _data(card),
        Section(
            "Features",
            () if any(one.importance is not None for one in card.features) else (f"importance: {UNKNOWN}",),
            ("feature", "type", "importance", "what it is"),
            [(one.name, one.type, _share(one.importance), one.description or "-") for one in card.features],
        ),
        _metrics(card),
        _limits(card),
        _levels(card),
        _gates(card),
        Section("Lineage", card.lineage or (UNKNOWN,)),
        _decisions(card),
    ]


def _purpose(card: Card) -> Section:
    lines = [
        f"purpose: {card.purpose or UNKNOWN}",
        f"predicts: {card.target} ({card.kind})",
        f"made by: {card.learner} on the window '{card.window}', {_moment(card.made_at)}",
        f"run of its training: {card.training_run or 'none'}",
        f"state: {card.state}, level {card.level} since {_moment(card.since)}",
        f"artifact: {card.artifact}",
    ]
    if card.classes:
        lines.insert(2, f"classes: {', '.join(card.classes)}")
    if card.deleted is not None:
        lines.insert(0, f"deleted by {card.deleted.actor}, {_moment(card.deleted.at)}: {card.deleted.reason}")
    parameters = ", ".join(f"{name} {value}" for name, value in card.parameters.items())
    libraries = ", ".join(f"{name} {value}" for name, value in card.environment.items())
    return Section(
        "Purpose", [*lines, f"parameters: {parameters or 'the defaults'}", f"environment: {libraries or UNKNOWN}"]
    )


def _data(card: Card) -> Section:
    start, end, rows = card.data.get("from"), card.data.get("now"), card.data.get("rows")
    span = f"{_moment(start)} to {_moment(end)}" if isinstance(start, int) and isinstance(end, int) else UNKNOWN
    digest = card.data.get("sha256", UNKNOWN)
    lines = (
        f"rows: {rows:,}" if isinstance(rows, int) else f"rows: {UNKNOWN}",
        f"span: {span}",
        f"digest of the rows: {digest}",
    )
    return Section("Training data", lines)


def _metrics(card: Card) -> Section:
    beside = ", ".join(f"{name} {value:.4g}" for name, value in card.baselines.items())
    loss = UNKNOWN if card.loss is None else f"{card.loss:.4g}"
    lines = [f"mean {card.metric} loss on rows held out in training: {loss}", f"of baselines: {beside or UNKNOWN}"]
    rows = [
        (one.name, f"{one.value:.4g}", _interval(one.low, one.high), f"{one.better} is better") for one in card.metrics
    ]
    if not rows:
        lines.append(f"metrics: {UNKNOWN}")
    return Section("Metrics", lines, ("metric", "value", "95% interval", ""), rows)


def _limits(card: Card) -> Section:
    known = [one for one in card.features if one.population is not None]
    if not known:
        return Section("Limits", (f"the population that it was made for: {UNKNOWN}",))
    told = "it was made from rows like these; of rows unlike them nothing is known"
    return Section("Limits", (told,), ("feature", "missing", "had"), [_had(one) for one in known])


def _had(feature: CardFeature) -> tuple[str, str, str]:
    population = feature.population
    assert population is not None
    if population.quantiles:
        parts = [f"{float(share):.0%}: {value:.4g}" for share, value in population.quantiles.items()]
    else:
        parts = [f"{name} {share:.1%}" for name, share in population.categories.items()]
    return feature.name, f"{population.missing:.1%}", ", ".join(parts) or "nothing"


def _levels(card: Card) -> Section:
    rows = [(_moment(one.at), one.before, one.level, one.actor, one.reason or "-") for one in card.moves]
    lines = () if rows else ("it was never moved to a level",)
    return Section("Levels", lines, ("when (UTC)", "from", "to", "by", "why"), rows)


def _gates(card: Card) -> Section:
    rows = [
        (run.level, one.name, _verdict(one.passed, one.assessed), one.required, one.message)
        for run in card.runs
        for one in run.results
    ]
    lines = [f"{run.level}: {'passed' if run.passed else 'not passed'}, {_moment(run.at)}" for run in card.runs]
    return Section("Gates", lines or (UNKNOWN,), ("level", "gate", "verdict", "required", "found"), rows)


def _decisions(card: Card) -> Section:
    rows = [(_moment(one.at), one.kind, one.actor, one.reason or "-") for one in card.decisions]
    return Section("Decisions", () if rows else ("none",), ("when (UTC)", "what", "by", "why"), rows)


def _verdict(passed: bool, assessed: bool) -> str:
    return "passed" if passed else "failed" if assessed else UNKNOWN


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1%}"


def _interval(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%d %H:%M}"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
