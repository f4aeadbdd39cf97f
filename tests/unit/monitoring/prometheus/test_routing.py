from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tropism.monitoring.prometheus import alertmanager

CHANNELS = ("ops", "a.b", 'it\'s "x" #1: {{ y }} \\', "größe", "ops")


def loaded(text: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def receivers(text: str, channels: str) -> list[str]:
    """Who is told of an alert with these channels."""
    route = loaded(text)["route"]
    told = []
    for one in route.get("routes", []):
        [matcher] = one["matchers"]
        pattern = loaded(f"x: {matcher.removeprefix('channels =~ ')}")["x"]
        told += [one["receiver"]] if re.fullmatch(pattern, channels) else []
    return told or [route["receiver"]]


def test_alerts_go_to_the_channels_they_name_and_to_all_if_they_name_none() -> None:
    text = alertmanager(CHANNELS, "https://example.org/hook")
    assert receivers(text, "a.b,ops") == ["ops", "a.b"]
    assert receivers(text, "axb") == ["tropism"]
    assert receivers(text, CHANNELS[2]) == [CHANNELS[2]]
    assert receivers(text, "") == list(CHANNELS[:4])
    assert receivers(alertmanager(), "") == ["tropism"]


def test_every_route_has_a_receiver() -> None:
    found = loaded(alertmanager(("tropism", *CHANNELS)))
    assert [one["name"] for one in found["receivers"]] == ["tropism", *CHANNELS[:4]]


@pytest.mark.parametrize("text", [alertmanager(), alertmanager(CHANNELS), alertmanager(CHANNELS, "https://x.org/?a='")])
def test_alertmanager_finds_no_fault_with_it(text: str, tmp_path: Path) -> None:
    if shutil.which("amtool") is None:
        pytest.skip("amtool comes with Alertmanager: apt-get install prometheus-alertmanager")
    (tmp_path / "alertmanager.yml").write_text(text)
    words = ["amtool", "check-config", str(tmp_path / "alertmanager.yml")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
