"""Sections and tables of the page. Every text given is escaped here; only what `Html` wraps goes in as it is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def safe(content: str) -> str:
    """Text as it may stand between tags.

    >>> safe("a < b"), safe(Html("<b>a</b>"))
    ('a &lt; b', '<b>a</b>')
    """
    return content if isinstance(content, Html) else escape(content)


def section(title: str, *bodies: str, note: str = "") -> Html:
    said = f'<p class="note">{safe(note)}</p>' if note else ""
    return Html(f"<section><h2>{safe(title)}</h2>{said}{''.join(bodies)}</section>")


def absent(what: str, why: str) -> Html:
    """A line that says what is not there, and why."""
    return Html(f'<p class="absent"><b>{safe(what)}</b>: not known: {safe(why)}</p>')


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, numeric: Iterable[int] = ()) -> Html:
    """A table whose first cells head their rows. `numeric`: columns of numbers. `caption`: read aloud only."""
    right = set(numeric)
    classes = ['class="n"' if place in right else "" for place in range(len(head))]
    heads = "".join(f'<th scope="col" {kind}>{safe(name)}</th>' for name, kind in zip(head, classes, strict=True))
    body = []
    for row in rows:
        cells = "".join(f"<td {kind}>{safe(cell)}</td>" for cell, kind in zip(row[1:], classes[1:], strict=True))
        body.append(f'<tr><th scope="row">{safe(row[0])}</th>{cells}</tr>')
    inside = f"<caption>{safe(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody>"
    label = f'role="region" aria-label="{escape(caption)}"'
    return Html(f'<div class="scroll" tabindex="0" {label}><table>{inside}</table></div>')


def details(title: str, body: str) -> Html:
    return Html(f"<details><summary>{safe(title)}</summary>{body}</details>")


def listing(items: Sequence[str], class_: str = "notes", most: int = 20) -> Html:
    """A list, of `most` items and how many more there are."""
    shown = list(items[:most])
    if len(items) > most:
        shown.append(f"and {len(items) - most:,} more")
    return Html(f'<ul class="{class_}">{"".join(f"<li>{safe(item)}</li>" for item in shown)}</ul>')
