from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tropism.entrypoints.cli import governance
from tropism.entrypoints.cli.main import cli
from tropism.wiring import Platform

Command = Callable[..., Any]
Register = Callable[..., int]
POLICY = {
    "levels": [
        {"name": "staging", "gates": [{"gate": "integration"}, {"gate": "security"}]},
        {"name": "live", "gates": [{"gate": "approval"}], "single": True},
    ]
}


@pytest.fixture(autouse=True)
def _commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands, as the group has them."""
    names = ("levels", "gates", "level", "review", "approve", "retire", "delete", "card")
    monkeypatch.setattr(cli, "commands", {**cli.commands, **{name: getattr(governance, name) for name in names}})


@pytest.fixture
def ruled(shop: Command, platform: Platform, register: Register, tmp_path: Path) -> Command:
    """Two versions and a policy that they can pass."""
    register(1)
    register(2)
    path = tmp_path / "levels.json"
    path.write_text(json.dumps(POLICY))
    assert shop("levels", "payments", "--set", path).out == "the policy of payments is written, revision 1\n"
    return shop


def test_the_default_levels_are_shown_with_what_they_ask_for(shop: Command, platform: Platform) -> None:
    out = shop("levels", "payments").out
    assert "staging" in out
    assert "metric accuracy, least 0.85" in out
    assert json.loads(shop("levels", "payments", "--json").out)["levels"][1]["name"] == "production"


def test_a_version_goes_from_gates_to_a_level(ruled: Command) -> None:
    refused = ruled("level", "payments", 1, "staging")
    assert refused.code == 1
    assert "run them: tropism gates payments 1 --level staging" in refused.err
    passed = ruled("gates", "payments", 1, "--level", "staging")
    assert passed.code == 0, passed
    assert "move it: tropism level payments 1 staging" in passed.out
    assert ruled("level", "payments", 1, "staging").out == "version 1 of payments went from none to staging\n"
    assert "stands on staging" in ruled("level", "payments", 1).out


def test_gates_that_do_not_pass_are_an_exit_status_of_1(ruled: Command) -> None:
    found = ruled("gates", "payments", 1, "--level", "live")
    assert found.code == 1
    assert "1 more person must approve" in found.out
    assert json.loads(ruled("gates", "payments", 1, "--level", "live", "--json").out)["passed"] is False


def test_a_review_is_given_listed_and_taken_back(ruled: Command) -> None:
    assert "nobody reviewed" in ruled("review", "payments", 1).out
    said = ruled("review", "payments", 1, "--level", "live", "--comment", "fine", "--actor", "bob").out
    assert said.startswith("bob approved version 1 of payments for live")
    name = said.rstrip(")\n").rsplit(" ", 1)[1]
    assert "holds" in ruled("review", "payments", 1).out
    assert "took the review" in ruled("review", "payments", 1, "--withdraw", name, "--actor", "bob").out
    assert "withdrawn" in ruled("review", "payments", 1).out
    assert "name the level" in ruled("review", "payments", 1, "--refuse").err


def test_versions_are_retired_brought_back_and_deleted(ruled: Command) -> None:
    assert "is retired" in ruled("retire", "payments", 1, "--reason", "old").out
    assert "from retired to none" in ruled("level", "payments", 1, "none").out
    assert "is deleted" in ruled("delete", "payments", 1, "--reason", "space", "--yes").out
    assert "was deleted by ann: space" in ruled("level", "payments", 1, "staging").err


def test_a_card_is_written(ruled: Command, tmp_path: Path) -> None:
    assert ruled("card", "payments", 1).out.startswith("# Model card: payments, version 1")
    assert json.loads(ruled("card", "payments", 1, "--format", "json").out)["version"] == 1
    path = tmp_path / "card.html"
    ruled("card", "payments", 1, "--format", "html", "--output", path)
    assert path.read_text().startswith("<!doctype html>")


def test_a_policy_that_is_no_json_is_refused(shop: Command, platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "levels.json"
    path.write_text("levels:")
    assert "cannot be read" in shop("levels", "payments", "--set", path).err


def test_a_promotion_is_approved_by_somebody_else_than_its_author(ruled: Command, platform: Platform) -> None:
    assert "no promotion of version 2" in ruled("approve", "payments", 2).err
    now, registry = platform.clock.now(), platform.registry
    registry.approvals.request("a", "payments", 2, "d", now=now, actor="bob")
    assert "nobody approves what he proposed" in ruled("approve", "payments", 2, "--actor", "bob").err
    said = ruled("approve", "payments", 2, "--refuse", "--comment", "too soon", "--actor", "cy").out
    assert said == "cy refused that version 2 becomes the champion of payments\n"
    assert (registry.approvals.get("a").status, registry.approvals.get("a").comment) == ("refused", "too soon")
