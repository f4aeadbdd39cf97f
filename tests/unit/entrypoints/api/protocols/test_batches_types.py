from __future__ import annotations

import pytest

from tropism.entrypoints.api.protocols.batches_types import acceptable, kind_of, names_of
from tropism.serving.tabular import MEDIA_TYPES

CSV, LINES, PARQUET = "text/csv", "application/jsonl", "application/vnd.apache.parquet"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", CSV),
        ("*/*", CSV),
        ("text/*", CSV),
        ("application/json", "application/json"),
        (PARQUET, PARQUET),
        (f"{PARQUET};q=0.5, {LINES};q=0.6", LINES),
        (f"text/csv;q=0, {LINES};q=0.1", LINES),
        ("*/*;q=0.1, text/csv;q=0", "application/json"),
        (f"{PARQUET};q=x, */*;q=0.2", CSV),
        ("TEXT/CSV", CSV),
        ("image/png", None),
        ("*/*;q=0", None),
        (";;,,=", None),
    ],
)
def test_the_reply_has_the_type_that_is_accepted_most(accept: str, expected: str | None) -> None:
    assert acceptable(accept, CSV, MEDIA_TYPES) == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/csv", CSV),
        ("text/csv;header=present", CSV),
        ('text/csv; charset="utf-8"', CSV),
        ("text/csv; charset=latin-1", "text/csv; charset=latin-1"),
        ("", ""),
    ],
)
def test_only_utf_8_is_read(content_type: str, expected: str) -> None:
    assert kind_of(content_type) == expected


def test_each_format_is_named_once() -> None:
    names = names_of(MEDIA_TYPES)
    assert len(names) == len(set(names))
    assert {CSV, LINES, PARQUET, "application/vnd.apache.arrow.stream"} <= set(names)
