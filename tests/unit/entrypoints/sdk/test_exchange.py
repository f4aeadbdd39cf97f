from __future__ import annotations

import json
from typing import Any

import pytest

from tropism.core import errors
from tropism.core.errors import NotReady, SettingInvalid, TropismError
from tropism.entrypoints.sdk.exchange import Lost, Pause, Reply, Request, exchange

ASK = Request("GET", "/")


def drive(answers: list[Reply | Lost], retries: int = 3) -> tuple[bytes, list[float]]:
    """Runs an exchange against scripted answers; its result, and the pauses it made."""
    flow = exchange(ASK, retries)
    pauses: list[float] = []
    step: Any = next(flow)
    remaining = iter(answers)
    try:
        while True:
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                step = flow.send(None)
            else:
                step = flow.send(next(remaining))
    except StopIteration as done:
        return done.value, pauses


def problem(status: int, code: str, retry_after: str = "") -> Reply:
    faults = [{"field": "task", "value": "prise", "fix": "use price"}]
    return Reply(status, json.dumps({"code": code, "detail": "said so", "faults": faults}).encode(), retry_after)


def test_what_is_away_for_a_moment_is_asked_again_ever_more_patiently() -> None:
    body, pauses = drive([Lost("refused"), Reply(502, b"<html>"), problem(503, "not-ready"), Reply(200, b"{}")])
    assert body == b"{}"
    assert len(pauses) == 3
    assert all(low <= pause <= 1.5 * low for low, pause in zip((0.1, 0.2, 0.4), pauses, strict=True))


def test_the_server_says_how_long_to_wait_up_to_a_limit() -> None:
    _, pauses = drive([problem(429, "rate-limited", "2"), problem(503, "not-ready", "3600"), Reply(200, b"")])
    assert 2.0 <= pauses[0] <= 3.0
    assert 5.0 <= pauses[1] <= 7.5


def test_it_gives_up_after_the_last_retry() -> None:
    with pytest.raises(NotReady) as caught:
        drive([Lost("http://x: refused")] * 3, retries=2)
    assert caught.value.faults[0].value == "http://x: refused"
    assert "tropism up" in caught.value.faults[0].fix


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500, 507])
def test_what_will_not_change_is_not_asked_again(status: int) -> None:
    with pytest.raises(TropismError):
        drive([problem(status, "conflict")])


@pytest.mark.parametrize("kind", [errors.UnknownTask, errors.MissingFeature, errors.DiskFull, errors.TooLarge])
def test_a_problem_becomes_the_error_that_the_server_raised(kind: type[TropismError]) -> None:
    with pytest.raises(kind) as caught:
        drive([problem(422, kind.code)], retries=0)
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.faults[0].fix) == ("said so", "use price")


def test_codes_and_servers_that_are_not_known() -> None:
    with pytest.raises(errors.InputError):
        drive([problem(418, "teapot")])
    with pytest.raises(SettingInvalid) as caught:
        drive([Reply(404, b"<html>nothing here</html>")])
    assert caught.value.faults[0].field == "base_url"
