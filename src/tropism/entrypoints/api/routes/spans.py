"""The spans of time that routes take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from tropism.entrypoints.api.routes.parts import Parts
from tropism.loop.viewing.spans import since_of

Since = Annotated[
    str | None,
    Query(
        description="From when on: so long ago, such as `7d`, or a time in ISO 8601.",
        examples=["7d", "2026-01-31T12:00:00Z"],
    ),
]


def past(parts: Parts, text: str | None) -> int | None:
    """The moment (µs) that a query names. Raises: InvalidInput: it is none, or in the future."""
    return None if text is None else since_of(text, parts.clock.now(), "query.since")
