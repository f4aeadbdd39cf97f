from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tropism.monitoring.health import health, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.monitoring.health import HealthFacts

    Facts = Callable[..., HealthFacts]


def test_it_is_short_and_leads_with_what_to_do(full: HealthFacts) -> None:
    lines = text(health(full)).splitlines()

    assert 20 <= len(lines) <= 30
    assert lines[2].startswith("Score: ")
    assert lines[3] == "Recommendation: Retrain"
    assert max(map(len, lines)) <= 160


def test_it_has_intervals_and_says_what_is_not_known(full: HealthFacts) -> None:
    told = text(health(msgspec.structs.replace(full, alerts=None, service=None)))

    assert "Brier score: 0.1500 (0.1400 to 0.1600); baseline 0.2000 (0.1900 to 0.2100)" in told
    assert "Alerts: not known" in told
    assert "error rate not known" in told


@pytest.mark.parametrize("name", ["\x1b[2J\x1b]0;owned\x07", "two\nlines", "a\u202eb"])
def test_a_name_cannot_steer_the_terminal(sound: Facts, name: str) -> None:
    told = text(health(sound(task=name)))

    assert all(letter.isprintable() for letter in told.replace("\n", ""))
    assert len(told.splitlines()) == len(text(health(sound())).splitlines())
