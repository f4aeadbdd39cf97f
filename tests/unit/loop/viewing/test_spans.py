from __future__ import annotations

import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.errors import InvalidInput
from tropism.loop.viewing.spans import since_of, until_of

NOW = 20_000 * DAY


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("7d", NOW - 7 * DAY),
        ("0", NOW),
        ("1.5h", NOW - 5_400 * SECOND),
        ("2024-10-03", 19_999 * DAY),
        ("2024-10-03T01:00:00+01:00", 19_999 * DAY),
        ("999999999999w", 0),
    ],
)
def test_a_moment_that_is_past(text: str, at: int) -> None:
    assert since_of(text, NOW) == at


@pytest.mark.parametrize("text", ["", "soon", "7", "-1d", "2124-01-01T00:00:00Z", "9999999-01-01"])
def test_what_is_no_moment_names_its_field(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        since_of(text, NOW, "query.since")
    assert caught.value.faults[0].field == "query.since"


def test_a_moment_ahead() -> None:
    assert until_of("2h", NOW) == NOW + 7_200 * SECOND
    for text in ("0", "2020-01-01", "x"):
        with pytest.raises(InvalidInput):
            until_of(text, NOW)
