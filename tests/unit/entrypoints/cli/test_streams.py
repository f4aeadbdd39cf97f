"""`tropism streams`, but for consuming itself, which tests/conformance/test_streams.py has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tropism.config import load_settings
from tropism.core.errors import InvalidInput, NotFound, SettingInvalid
from tropism.entrypoints.cli.streams import streams
from tropism.entrypoints.streams.base import Message
from tropism.entrypoints.streams.dead_letters import DeadLetters
from tropism.entrypoints.streams.sorting import Poison
from tropism.features import StreamSource
from tropism.wiring import open_platform

AT = 1_700_000_000_000_000


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "tropism.toml").write_text("")
    platform = open_platform(load_settings(tmp_path, {}, {}))
    payments = StreamSource("payments", timestamp="at", schema={"account_id": str})
    platform.registry.features.apply([payments], AT, actor="test")
    letters = [Poison(Message("redis:s", f"{n}-0", n, b"\x1b[31m{bad %d" % n), f"reason {n}") for n in (1, 2, 3)]
    DeadLetters(platform.lake).add("payments", letters, AT)
    kept = {"partition": "redis:s", "consumed": "5-0", "end": "9-0", "lag": 4, "at": AT}
    platform.registry.progress.set("streams/payments/redis:s", kept, now=AT)
    platform.database.dispose()
    return tmp_path


def said(project: Path, *arguments: str) -> str:
    return CliRunner().invoke(streams, arguments, obj=project, catch_exceptions=False).output


def test_status_shows_lag_and_dead_letters(shop: Path) -> None:
    line = said(shop, "status").splitlines()[1].split()
    assert line[:6] == ["payments", "redis:s", "5-0", "9-0", "4", "3"]
    (found,) = json.loads(said(shop, "status", "--json"))
    assert (found["lag"], found["dead_letters"], found["away"]) == (4, 3, "")


def test_status_tells_where_a_broker_could_not_be_asked(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROPISM_STREAM_PAYMENTS", "redis://:secret@127.0.0.1:1?stream=s")
    text = said(shop, "status")
    assert "could not be asked now" in text
    assert "secret" not in text


def test_dead_letters_are_listed_newest_first_on_a_line_each(shop: Path) -> None:
    lines = said(shop, "dead-letters", "payments", "--limit", "2").splitlines()
    assert len(lines) == 3
    assert "redis:s:3-0" in lines[1] and "reason 3" in lines[1] and "{bad 3" in lines[1]
    assert "\x1b" not in "".join(lines)
    found = json.loads(said(shop, "dead-letters", "payments", "--json"))
    assert [one["reason"] for one in found] == ["reason 3", "reason 2", "reason 1"]


def test_what_is_wrong_is_said_before_anything_is_done(shop: Path) -> None:
    with pytest.raises(NotFound, match="clicks"):
        said(shop, "dead-letters", "clicks")
    with pytest.raises(NotFound, match="clicks"):
        said(shop, "consume", "clicks", "--from", "redis://h?stream=s")
    with pytest.raises(SettingInvalid, match="--from"):
        said(shop, "consume", "payments")
    with pytest.raises(InvalidInput, match="--wait"):
        said(shop, "consume", "payments", "--from", "redis://h?stream=s", "--wait", "soon")
