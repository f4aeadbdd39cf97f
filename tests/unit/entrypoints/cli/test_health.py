from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.monitoring.delivery.conftest import Receiver

from tropism.core.clock import SECOND
from tropism.monitoring.delivery.signature import verify
from tropism.monitoring.health import HealthReport
from tropism.wiring import Platform

Command = Callable[..., Any]
DAY = 86_400 * SECOND


@pytest.fixture
def served(platform: Platform, register: Callable[..., int], promote: Callable[..., str], live: Any) -> Platform:
    register()
    promote(1, platform.clock.now() - 10 * DAY)
    live(300, version=1, days_ago=8, answered=285)
    return platform


@pytest.fixture
def receiver(project: Path) -> Iterator[Receiver]:
    made = Receiver()
    path = project / "tropism.toml"
    path.write_text(f'{path.read_text()}[alerts.channels]\nops = "{made.url}"\n')
    yield made
    made.close()


def test_the_report_is_text_for_people(shop: Command, served: Platform) -> None:
    said = shop("health", "payments", "--days", "30")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("Health of payments: version 1, serving since 20")
    assert any(line.startswith("Score: ") for line in lines)
    assert any(line.startswith("Recommendation: ") for line in lines)
    assert any("Brier score: 0.0560" in line for line in lines)


def test_without_a_champion_it_says_so(shop: Command, platform: Platform) -> None:
    assert "no model is serving" in shop("health", "payments").out


def test_the_page_goes_to_a_file(shop: Command, served: Platform, tmp_path: Path) -> None:
    path = tmp_path / "health.html"
    said = shop("health", "payments", "--format", "html", "--output", path)
    assert said.out == f"{path}\n"
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_json_is_the_report(shop: Command, served: Platform) -> None:
    report = msgspec.json.decode(shop("health", "payments", "--format", "json").out, type=HealthReport)
    assert (report.facts.task, report.facts.version) == ("payments", 1)


def test_it_is_sent_to_a_channel(shop: Command, served: Platform, receiver: Receiver) -> None:
    said = shop("health", "payments", "--send", "ops")
    assert (said.code, said.err) == (0, "sent to 'ops'\n")
    ((headers, body),) = receiver.posts
    assert verify(headers, body, shop("alerts", "secret").out.strip())
    sent = msgspec.json.decode(body)
    assert (sent["type"], sent["title"]) == ("report", "Health of payments")
    assert sent["text"].startswith("Health of payments: version 1")
    assert sent["html"].startswith("<!doctype html>")


def test_a_channel_that_refuses_it_is_status_one(shop: Command, served: Platform, receiver: Receiver) -> None:
    receiver.status = 500
    said = shop("health", "payments", "--send", "ops")
    assert said.code == 1
    assert said.out.startswith("Health of payments"), "the report is not lost"
    assert "'ops' did not accept the report: " in said.err
    assert receiver.url not in said.err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("paymnts",), 1, "did you mean 'payments'?"),
        (("payments", "--send", "opps"), 1, "did you mean 'ops'?"),
        (("payments", "--output", "/"), 2, "is a directory"),
        (("payments", "--output", "/nowhere/health.html"), 1, "name a file that can be written"),
        (("payments", "--days", "0"), 2, "--days"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_errors_say_what_to_do(
    shop: Command, platform: Platform, receiver: Receiver, arguments: tuple[str, ...], status: int, words: str
) -> None:
    said = shop("health", *arguments)
    assert (said.code, said.out) == (status, "")
    assert words in said.err
    assert receiver.posts == []
