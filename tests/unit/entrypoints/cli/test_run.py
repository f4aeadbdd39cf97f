from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tropism.registry import NewChallenge
from tropism.wiring import Platform

Command = Callable[..., Any]
DAY = 86_400_000_000


@pytest.fixture
def up(project: Path) -> Iterator[str]:
    """The project looks as if it were up, on another port than its settings say."""
    state = project / ".tropism"
    state.mkdir(exist_ok=True)
    (state / "up.address").write_text("http://127.0.0.1:8910")
    with (state / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        yield "http://127.0.0.1:8910"


@pytest.mark.parametrize("arguments", [("up",), ("up", "--detach")])
def test_up_names_a_port_that_is_taken(shop: Command, arguments: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = shop(*arguments, "--port", port)
    assert said.code == 1
    assert f"error [port-in-use] port {port} is in use" in said.err
    assert "--port" in said.err


@pytest.mark.parametrize("arguments", [("up",), ("up", "--detach"), ("up", "--port", "8800")])
def test_up_names_the_address_of_a_project_that_is_up(shop: Command, up: str, arguments: tuple[str, ...]) -> None:
    said = shop(*arguments)
    assert said.code == 1
    assert f"error [conflict] this project is already up on {up}" in said.err
    assert "tropism down" in said.err


def test_up_refuses_a_project_that_is_not_valid(shop: Command, project: Path) -> None:
    (project / "project.py").write_text("x =\n")
    said = shop("up", "--detach")
    assert said.code == 1
    assert "project.py:1: mend this line" in said.err
    assert not (project / ".tropism" / "logs").exists()


def test_down_of_what_is_not_up(shop: Command) -> None:
    said = shop("down")
    assert (said.code, said.out) == (0, "it was not up\n")


def test_status_of_a_new_project_says_what_to_do(shop: Command) -> None:
    said = shop("status")
    assert said.code == 0
    assert "not up: run `tropism up`" in said.out
    assert "`tropism up` stores those that project.py declares" in said.out


def test_status_of_a_task_without_a_model(shop: Command, platform: Platform) -> None:
    assert shop("status").out.splitlines()[2:] == [
        "payments (binary)",
        "  no champion yet; a baseline answers",
        "  no predictions yet",
    ]


def test_status_leaves_out_what_is_zero(
    shop: Command, platform: Platform, live: Callable[..., list[str]], up: str
) -> None:
    live(40, answered=30)
    live(10, days_ago=1, answered=4)
    lines = shop("status").out.splitlines()
    assert lines[0] == f"up on {up} (process {os.getpid()})"
    assert "  predictions: 50 (34 answered, 6 waiting, 10 unanswered, 40 matured)" in lines
    assert "  outcomes: 34" in lines
    assert lines[-1].startswith("  matured: predictions made until 2")
    assert " 0 " not in "\n".join(lines)


def test_status_of_a_champion(
    shop: Command,
    platform: Platform,
    register: Callable[..., int],
    promote: Callable[..., str],
    live: Callable[..., list[str]],
) -> None:
    for seed in (1, 2, 3):
        register(seed)
    now = platform.clock.now()
    promote(1, at=now - 30 * DAY)
    decision = promote(2, at=now - 20 * DAY)
    live(100, version=2)
    opened = NewChallenge(id=decision, model="payments", challenger=3, incumbent=2, kind="challenge", alpha=0.05)
    platform.registry.challenges.open(opened, now=now)
    platform.registry.approvals.request("approval", "payments", 3, "another", now=now)
    out = shop("status").out
    assert "  champion: version 2 of 3, since " in out
    assert "UTC; before it version 1\n" in out
    assert "  brier: 0.04 (0.04 to 0.04) over 100 matured predictions; best baseline " in out
    assert "lower is better" in out
    assert "  challenger: version 3 against version 2, since " in out
    assert "  waits for approval: version 3 (tropism approve payments 3)" in out


def test_status_speaks_of_accuracy_as_people_do(
    shop: Command,
    project: Path,
    platform: Platform,
    register: Callable[..., int],
    promote: Callable[..., str],
    live: Callable[..., list[str]],
) -> None:
    path = project / "project.py"
    path.write_text(path.read_text().replace('metric="brier"', 'metric="accuracy"'))
    shop("apply")
    register()
    promote(1, at=platform.clock.now() - 20 * DAY)
    live(100, version=1)
    out = shop("status").out
    assert "  accuracy: 1 (1 to 1) over 100 matured predictions" in out
    assert "higher is better" in out


def test_status_for_programs(shop: Command, platform: Platform, up: str) -> None:
    found = json.loads(shop("status", "--json").out)
    assert (found["up"], found["pid"], found["address"]) == (True, os.getpid(), up)
    assert found["tasks"][0]["name"] == "payments"
    assert found["tasks"][0]["outcomes"]["predictions"] == 0
