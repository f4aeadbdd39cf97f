from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tropism.core.clock import DAY
from tropism.registry import NewVersion
from tropism.registry.tracking.training_runs import run_id_of
from tropism.wiring import Platform

Command = Callable[..., Any]
Register = Callable[..., int]


def test_no_models_say_how_to_get_one(shop: Command) -> None:
    assert "declare a task in project.py" in shop("models").out


def test_models_are_listed_with_what_is_live(
    shop: Command, platform: Platform, register: Register, promote: Callable[..., str]
) -> None:
    assert shop("models").out.splitlines()[1].split() == ["payments", "binary", "-", "-", "0"]
    register(1)
    register(2)
    promote(1)
    promote(2)
    head, row = shop("models").out.splitlines()
    assert head.split() == ["model", "kind", "champion", "previous", "versions"]
    assert row.split() == ["payments", "binary", "2", "1", "2"]


def test_a_model_without_a_version_says_how_to_train_one(shop: Command, platform: Platform) -> None:
    assert "tropism train payments" in shop("models", "payments").out


def test_versions_are_listed_beside_their_baseline(
    shop: Command, platform: Platform, register: Register, promote: Callable[..., str]
) -> None:
    register(1)
    register(2)
    promote(2)
    lines = shop("models", "payments").out.splitlines()
    assert lines[0].split()[:7] == ["version", "is", "learner", "window", "rows", "brier", "baseline"]
    assert lines[1].split()[:7] == ["1", "candidate", "linear", "all", "201", "0.13", "0.24"]
    assert lines[2].split()[:2] == ["2", "champion"]
    assert "lower is better" in lines[3]
    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines)) <= 95


def test_two_versions_are_compared(shop: Command, platform: Platform, register: Register) -> None:
    def metrics(loss: float, value: float) -> dict[str, Any]:
        interval = {"value": value, "low": value - 0.1, "high": value + 0.1}
        candidates = [{"learner": "linear", "span": "all", "rows": 100, "loss": loss}]
        return {"loss": loss, "metrics": {"auc": interval}, "candidates": candidates}

    at = 1_700_000_000_123_456
    register(1, metrics=metrics(0.2, 0.7), data={"rows": 5, "now": at})
    register(2, metrics=metrics(0.1, 0.8), data={"rows": 5, "now": at + DAY, "sha256": "1" * 64})
    out = shop("models", "payments", "--compare", "1", "2").out
    assert "version 1" in out.splitlines()[0]
    (auc,) = [line for line in out.splitlines() if " auc " in line]
    assert "0.7 (0.6 to 0.8)" in auc
    assert "0.8 (0.7 to 0.9)" in auc
    assert "linear on all 0.2" in out
    assert "111111111111..." in out
    assert re.search(r"^data +now +2023-11-14T22:13:20Z +2023-11-15T22:13:20Z$", out, re.MULTILINE)
    assert "files" in out and "safetensors" in out
    assert "wait: not assessed: no labelled rows are there that neither of them learnt from" in out
    assert shop("models", "payments", "--compare", "1", "1").out == "versions 1 and 1 do not differ\n"
    told = json.loads(shop("models", "payments", "--compare", "1", "2", "--json").out)
    assert (told["choice"], told["same_artifact"], told["predictions"]) == ("wait", False, None)
    assert "goes with --compare" in shop("models", "payments", "--json").err


def test_versions_are_compared_on_rows_that_neither_learnt_from(
    shop: Command, platform: Platform, register: Register, live: Callable[..., list[str]]
) -> None:
    old = platform.clock.now() - 30 * DAY
    for seed in (1, 2):
        new = msgspec.structs.replace(platform.registry.versions.get("payments", register(seed)), job_id=None)
        values = {name: getattr(new, name) for name in NewVersion.__struct_fields__}
        platform.registry.versions.register(NewVersion(**values), now=old)
    live(120)
    out = shop("models", "payments", "--compare", "2", "4").out
    assert "on 120 rows that neither learnt from, their scores differ by" in out
    assert re.search(r"^(wait|take [a-z0-9 ]+): brier loss .* on 120 rows: ", out, re.MULTILINE)


def test_the_moves_of_aliases_are_told_with_who_and_why(shop: Command, platform: Platform, register: Register) -> None:
    register(1)
    register(2)
    assert shop("history", "payments").out == "no alias of payments moved yet\n"
    shop("promote", "payments", 1)
    shop("promote", "payments", 2, "--actor", "bob")
    shop("rollback", "payments")
    head, *rows = shop("history", "payments", "--alias", "champion").out.splitlines()
    assert head.split() == ["when", "(UTC)", "alias", "from", "to", "by", "decision", "why"]
    assert [row.split()[2:6] for row in rows] == [
        ["champion", "2", "1", "ann"],
        ["champion", "1", "2", "bob"],
        ["champion", "-", "1", "ann"],
    ]
    assert rows[0].endswith("rolled back by ann") and rows[1].endswith("promoted by bob")
    assert len(shop("history", "payments", "--limit", 1).out.splitlines()) == 2
    assert json.loads(shop("history", "payments", "--json").out)[0]["actor"] == "ann"
    assert "never moved" in shop("history", "payments", "--alias", "x").out


def test_the_run_that_a_version_was_trained_in_is_named(shop: Command, platform: Platform, register: Register) -> None:
    run = run_id_of("job-1")
    platform.tracking.runs.create("0", 1, run_id=run, name="payments-1")
    register(1, job_id="job-1")
    register(2)
    head, first, second, _ = shop("models", "payments").out.splitlines()
    assert (head.split()[-1], first.split()[-1], second.split()[-1]) == ("run", run[:8], "-")
    assert f"run of its training: {run}" in shop("card", "payments", 1).out
    assert "run of its training: none" in shop("card", "payments", 2).out
    assert f"run {run[:8]}" in shop("lineage", "model", "payments/1").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("models", "nix"), "unknown-task", "use one of: payments"),
        (("models", "payments", "--compare", "1", "9"), "unknown-version", "it has version 1 only"),
        (("promote", "nix", "1"), "unknown-task", "use one of: payments"),
        (("promote", "payments", "9"), "unknown-version", "it has version 1 only"),
        (("promote", "payments", "99999999999999999999"), "unknown-version", "it has version 1 only"),
        (("rollback", "nix"), "unknown-task", "use one of: payments"),
        (("rollback", "payments"), "conflict", "promote another version instead"),
        (("release", "payments", "1", "--reason", "x"), "conflict", "nothing needs to be done"),
        (("release", "payments", "9", "--reason", "x"), "unknown-version", "it has version 1 only"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_what_there_is_not_is_named(
    shop: Command, platform: Platform, register: Register, arguments: tuple[str, ...], code: str, words: str
) -> None:
    register()
    said = shop(*arguments)
    assert said.code == 1
    assert said.err.startswith(f"error [{code}]")
    assert words in said.err


def test_promote_and_rollback_say_what_moved_and_who_did_it(
    shop: Command, platform: Platform, register: Register
) -> None:
    register(1)
    register(2)
    assert "version 1 is the champion of payments; there was none before" in shop("promote", "payments", 1).out
    assert "version 1 was before" in shop("promote", "payments", 2, "--actor", "bob").out
    said = shop("rollback", "payments")
    assert "version 1 is the champion of payments again, instead of version 2" in said.out
    assert platform.registry.aliases.get("payments", "champion") == 1
    actors = [one.actor for one in platform.registry.decisions.list("payments")]
    assert actors == ["ann", "bob", "ann"]
    shown = said.out.rpartition("decision ")[2].strip(")\n")
    assert "rolled back by ann" in shop("decisions", "show", shown).out


def test_an_actor_without_a_name_is_the_command_line(shop: Command, platform: Platform, register: Register) -> None:
    register()
    shop("promote", "payments", 1, "--actor", "")
    assert platform.registry.decisions.list("payments")[0].actor == "cli"


def test_the_champion_is_not_promoted_again(shop: Command, platform: Platform, register: Register) -> None:
    register()
    shop("promote", "payments", 1)
    said = shop("promote", "payments", 1)
    assert said.code == 1
    assert "version 1 is the champion of 'payments' already" in said.err


def test_a_policy_that_wants_an_approval(shop: Command, project: Path, platform: Platform, register: Register) -> None:
    path = project / "project.py"
    path.write_text(path.read_text().replace("approval=False", "approval=True"))
    shop("apply")
    register()
    said = shop("promote", "payments", 1)
    assert said.code == 1
    assert said.err.startswith("error [policy-refused]")
    assert shop("promote", "payments", 1, "--force").code == 0


def test_a_version_is_let_out_of_quarantine_with_a_reason(
    shop: Command, platform: Platform, register: Register
) -> None:
    register()
    shop("promote", "payments", 1)
    platform.registry.quarantine.put("payments", 1, reason="it crashed", now=platform.clock.now(), actor="data-plane")
    assert "quarantined" in shop("models", "payments").out
    said = shop("release", "payments", 1, "--reason", "the machine had no memory left", "--actor", "bob")
    assert said.out == "version 1 of payments is out of quarantine, and promoted as before\n"
    assert "quarantined" not in shop("models", "payments").out
    entry = platform.registry.audit.list(limit=1)[0]
    assert (entry.action, entry.actor) == ("version.released", "bob")
