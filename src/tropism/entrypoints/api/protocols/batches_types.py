"""Media types of tables: what a body is called, and what its sender would like to read (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.serving.tabular.base import Codec

JSON_TYPE = "application/json"


def names_of(kinds: Mapping[str, Codec]) -> list[str]:
    """The formats that are read and written, each once."""
    return list(dict.fromkeys(one.media_types[0] for one in kinds.values()))


def kind_of(content_type: str) -> str:
    """A media type without its parameters, in lower case; one that names another charset than UTF-8 stays whole.

    >>> kind_of("Text/CSV; charset=UTF-8"), kind_of("text/csv; charset=latin-1")
    ('text/csv', 'text/csv; charset=latin-1')
    """
    kind, _, parameters = content_type.strip().lower().partition(";")
    for one in parameters.split(";"):
        name, _, value = one.strip().partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8", "us-ascii"):
            return content_type.strip().lower()
    return kind.strip()


def acceptable(accept: str, sent: str, kinds: Mapping[str, Codec]) -> str | None:
    """The media type of the reply: what is accepted most, and of equals `sent`; None if nothing that can be written.

    >>> from tropism.serving.tabular import MEDIA_TYPES as kinds
    >>> acceptable("", "text/csv", kinds), acceptable("text/*;q=0.1, application/jsonl;q=0.9", "text/csv", kinds)
    ('text/csv', 'application/jsonl')
    >>> acceptable("application/json", "text/csv", kinds), acceptable("image/png", "text/csv", kinds)
    ('application/json', None)
    """
    if not accept.strip():
        return sent
    ranges = [_range(one) for one in accept.lower().split(",")[:50]]
    best, most = None, 0.0
    for kind in (sent, JSON_TYPE, *kinds):
        weight = _weight(kind, ranges)
        if weight > most:
            best, most = kind, weight
    return best


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in text.split(";"))
    for one in parameters:
        if one.startswith("q="):
            try:
                return name, min(max(float(one[2:]), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0


def _weight(kind: str, ranges: list[tuple[str, float]]) -> float:
    """The weight of the range that fits most closely; 0 if none fits."""
    for pattern in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        found = [weight for name, weight in ranges if name == pattern]
        if found:
            return max(found)
    return 0.0
