"""How a consumer works, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tropism.config import load_settings
from tropism.core.clock import SECOND
from tropism.core.errors import InvalidInput
from tropism.entrypoints.streams.consuming import Terms
from tropism.entrypoints.streams.running import teller, terms_of
from tropism.features.brokers import parse_address
from tropism.wiring import Platform


def test_a_command_overrules_the_settings(tmp_path: Path) -> None:
    given: dict[str, dict[str, Any]] = {
        "features": {"stream_batch": 7, "stream_wait": "3s"},
        "http": {"future_tolerance": "2s"},
    }
    settings = load_settings(tmp_path, given, {})
    assert terms_of(settings) == Terms(7, 3.0, 2 * SECOND)
    assert terms_of(settings, 9, "500ms") == Terms(9, 0.5, 2 * SECOND)
    with pytest.raises(InvalidInput, match="--wait"):
        terms_of(settings, wait="soon")


def test_a_line_has_the_time_the_source_and_no_login(platform: Platform) -> None:
    said: list[str] = []
    address = parse_address("redis://:secret@h?stream=s", "payments")
    teller(platform, "payments", address, said.append)("consuming")
    moment, _, rest = said[0].partition(" ")
    assert moment.endswith("Z") or "+00:00" in moment
    assert rest == "payments from redis://h: consuming"
