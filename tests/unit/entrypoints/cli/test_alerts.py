from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.monitoring.delivery.conftest import Receiver

from tropism.core.clock import SECOND
from tropism.core.monitoring import Rule
from tropism.monitoring.alerts import Alert
from tropism.monitoring.delivery.signature import parse_secret, verify
from tropism.wiring import Platform

Command = Callable[..., Any]
DRIFT = Rule("drift", "drift > 0.8", "high")
SLOW = Rule("latency", "latency_p95 > 500ms")


@pytest.fixture
def fired(platform: Platform) -> tuple[Alert, ...]:
    """Two alerts of payments, the newest first: drift, and latency a minute before."""
    now = platform.clock.now()
    facts = {"drift": 0.5, "latency_p95": 0.9}
    platform.alerts.apply("payments", [DRIFT, SLOW], facts, now - 60 * SECOND, ["ops"])
    causes = {"causes": [{"feature": "amount"}, {"feature": "hour"}]}
    platform.alerts.apply("payments", [DRIFT, SLOW], facts | {"drift": 0.93}, now, ["ops"], causes)
    return platform.alerts.list()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def short(alert: Any) -> str:
    return str(alert.id)[14:23]


def test_no_alerts_is_said(shop: Command, platform: Platform) -> None:
    assert shop("alerts").out == "no alerts are open\n"
    assert "tropism monitor" in shop("alerts", "--state", "all").out
    assert msgspec.json.decode(shop("alerts", "--json").out) == []


def test_open_alerts_are_listed_newest_first(shop: Command, fired: tuple[Alert, ...]) -> None:
    lines = shop("alerts").out.splitlines()
    assert lines[0].startswith(f"{short(fired[0])}  high    payments: drift, open since 20")
    assert "0.93" in lines[1] and "drift > 0.8" in lines[1]
    assert lines[2].startswith(f"{short(fired[1])}  medium  payments: latency, open since 20")
    assert max(map(len, lines)) <= 80
    assert [one["rule"] for one in msgspec.json.decode(shop("alerts", "--json").out)] == ["drift", "latency"]
    assert shop("alerts", "--limit", "1").out.splitlines() == lines[:2]


def test_states_are_kept_apart(shop: Command, platform: Platform, fired: tuple[Alert, ...]) -> None:
    platform.alerts.apply("payments", [DRIFT], {"drift": 0.93}, platform.clock.now())
    shop("alerts", "acknowledge", short(fired[0]))
    listed = {
        state: [one["rule"] for one in msgspec.json.decode(shop("alerts", "--state", state, "--json").out)]
        for state in ("open", "acknowledged", "resolved", "all")
    }
    assert listed == {
        "open": ["drift"],
        "acknowledged": ["drift"],
        "resolved": ["latency"],
        "all": ["drift", "latency"],
    }
    assert " to 20" in shop("alerts", "--state", "resolved").out


def test_an_alert_tells_what_why_and_what_to_do(shop: Command, fired: tuple[Alert, ...]) -> None:
    out = shop("alerts", "show", short(fired[0])).out
    assert out.startswith("payments: drift (high)\n")
    for words in (
        fired[0].id,
        "open since",
        "Causes: amount, hour",
        "What to do: look at the named features",
        "condition: drift > 0.8",
        "  drift: 0.93",
        "waits to be sent",
    ):
        assert words in out
    found = msgspec.json.decode(shop("alerts", "show", fired[0].id, "--json").out)
    assert (found["rule"], found["notices"][0]["channel"]) == ("drift", "ops")


def test_an_alert_is_acknowledged_by_who_runs_the_command(
    shop: Command, platform: Platform, fired: tuple[Alert, ...]
) -> None:
    said = shop("alerts", "acknowledge", short(fired[0]), "--comment", "the new shop\nin Lyon")
    assert said.out == f"ann looks after drift of payments, alert {short(fired[0])}\n"
    assert "acknowledged by ann" in shop("alerts").out
    assert 'ann: "the new shop in Lyon"' in shop("alerts").out
    assert "acknowledged by ann at 20" in shop("alerts", "show", fired[0].id).out
    entry = platform.registry.audit.list(limit=1)[0]
    assert (entry.action, entry.actor) == ("alert.acknowledged", "ann")
    refused = shop("alerts", "acknowledge", short(fired[0]), "--actor", "bob")
    assert refused.code == 1
    assert "ann looks after it" in refused.err


def test_a_silence_is_made_listed_and_ended(shop: Command, platform: Platform, fired: tuple[Alert, ...]) -> None:
    said = shop("alerts", "silence", "--for", "2h", "--task", "payments", "--rule", "drift", "--reason", "price change")
    assert said.out.startswith("nobody is told of drift of payments until 20")
    (made,) = platform.alerts.silences(platform.clock.now())
    assert (made.until - made.created_at, made.actor) == (7_200 * SECOND, "ann")
    listed = shop("alerts", "silences").out
    assert "drift of payments" in listed and "by ann" in listed and "price change" in listed
    assert msgspec.json.decode(shop("alerts", "silences", "--json").out)[0]["id"] == made.id
    lines = shop("alerts").out.splitlines()
    assert lines[0].endswith(", silenced") and not lines[2].endswith(", silenced")
    assert f"alerts unsilence {short(made)}" in said.out
    assert shop("alerts", "unsilence", short(made)).code == 0
    assert shop("alerts", "silences").out == "nothing is silenced\n"


def test_a_silence_may_be_of_everything(shop: Command, platform: Platform) -> None:
    assert "every rule of every task" in shop("alerts", "silence", "--for", "30m").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--task", "paymnts"), "unknown-task", "payments"),
        (("show", "zzz"), "not-found", "tropism alerts --state all"),
        (("show", "-"), "not-found", "write more of the id"),
        (("acknowledge", "zzz"), "not-found", "no alert has an id with 'zzz'"),
        (("unsilence", "zzz"), "not-found", "tropism alerts silences"),
        (("silence", "--for", "soon"), "invalid-input", "such as 90s"),
        (("silence", "--for", "0"), "invalid-input", "up to a year"),
        (("silence", "--for", "2h", "--task", "paymnts"), "unknown-task", "payments"),
        (("silence", "--for", "2h", "--rule", "drft"), "not-found", "did you mean 'drift'?"),
        (("test", "ops"), "not-found", "[alerts.channels]"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_errors_say_what_to_do(
    shop: Command, fired: tuple[Alert, ...], arguments: tuple[str, ...], code: str, words: str
) -> None:
    said = shop("alerts", *arguments)
    assert said.code == 1
    assert said.out == ""
    assert f"[{code}]" in said.err
    assert words in said.err


def add_channel(project: Path, address: str) -> None:
    path = project / "tropism.toml"
    path.write_text(f'{path.read_text()}[alerts.channels]\nops = "{address}"\n')


def test_a_channel_is_tried_and_signed_with_the_secret_that_is_shown(
    shop: Command, project: Path, platform: Platform, receiver: Receiver
) -> None:
    add_channel(project, receiver.url)
    said = shop("alerts", "test", "ops")
    assert (said.code, said.out) == (0, "'ops' accepted the test message\n")
    ((headers, body),) = receiver.posts
    assert msgspec.json.decode(body)["type"] == "test"
    secret = shop("alerts", "secret").out.strip()
    assert parse_secret(secret)
    assert verify(headers, body, secret)


def test_a_channel_that_refuses_is_status_one_and_its_address_is_not_shown(
    shop: Command, project: Path, platform: Platform, receiver: Receiver
) -> None:
    add_channel(project, receiver.url.replace("/hook", "/a-login-in-the-path"))
    receiver.status = 403
    said = shop("alerts", "test", "ops")
    assert said.code == 1
    assert "'ops' did not accept the test message: " in said.err and "403" in said.err
    assert "a-login-in-the-path" not in said.err + said.out


def test_a_channel_with_a_wrong_name_is_told_the_nearest(shop: Command, project: Path, platform: Platform) -> None:
    add_channel(project, "https://localhost:1/hook")
    assert "did you mean 'ops'?" in shop("alerts", "test", "opps").err


def test_rules_are_exported_for_prometheus(shop: Command, platform: Platform, tmp_path: Path) -> None:
    out = shop("alerts", "export").out
    assert 'alert: "tropism_drift"' in out
    path = tmp_path / "rules.yml"
    assert shop("alerts", "export", "--task", "payments", "--output", path).out == f"{path}\n"
    assert path.read_text("utf-8") == out
    said = shop("alerts", "export", "--output", tmp_path / "nowhere" / "rules.yml")
    assert (said.code, "name a file that can be written" in said.err) == (1, True)
    assert "did you mean 'payments'" in shop("alerts", "export", "--task", "paymnts").err


def test_routes_are_exported_for_alertmanager(shop: Command, project: Path, platform: Platform) -> None:
    add_channel(project, "https://localhost:1/a-login-in-the-path")
    out = shop("alerts", "export", "--format", "alertmanager").out
    assert 'receiver: "ops"' in out
    assert "a-login-in-the-path" not in out
