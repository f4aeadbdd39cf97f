from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tropism.core.identity import Identifiers, task_tag
from tropism.registry import NewDecision
from tropism.wiring import Platform

Command = Callable[..., Any]
SECOND = 1_000_000
AT = 1_700_000_000 * SECOND
EVIDENCE: dict[str, dict[str, Any]] = {
    "promote": {"comparison": "baseline", "metric": "brier", "estimate": 0.0787, "lower": 0.05, "upper": 0.1, "n": 900},
    "train": {"failure": "", "reasons": ["500 new labels (trigger: 500)", "loss rose from 0.1 to 0.2 " * 5]},
    "wait": {"metric": "brier", "estimate": 0.01, "lower": -0.1, "upper": 0.1, "n": 12},
    "reject": {"reason": "not better"},
}


@pytest.fixture
def record(platform: Platform, register: Callable[..., int]) -> Callable[..., str]:
    """Records a decision some seconds after the others; its id."""
    identifiers = Identifiers()
    register()

    def one(kind: str, after: int, evidence: dict[str, Any] | None = None, version: int | None = 1) -> str:
        at = AT + after * SECOND
        made = identifiers.new(at, task_tag("payments"))
        new = NewDecision(
            id=made,
            model="payments",
            kind=kind,  # type: ignore[arg-type]
            version=version,
            at=at,
            actor="loop",
            evidence=EVIDENCE[kind] if evidence is None else evidence,
        )
        platform.registry.decisions.record(new, now=at)
        return made

    return one


def test_no_decisions_say_where_they_come_from(shop: Command) -> None:
    assert shop("decisions").out == "no decisions yet: they come with outcomes, or with `tropism train`\n"


def test_decisions_are_listed_newest_first_and_fit_the_screen(shop: Command, record: Callable[..., str]) -> None:
    first, second = record("train", 1), record("promote", 2)
    lines = shop("decisions").out.splitlines()
    assert lines[0] == f"{second[9:23]}  2023-11-14 22:13  promote payments version 1"
    assert lines[1] == "           900 predictions: brier lower by 0.0787 (0.05 to 0.1)"
    assert lines[2] == f"{first[9:23]}  2023-11-14 22:13  train payments version 1"
    assert lines[3].startswith("           500 new labels (trigger: 500); loss rose")
    assert len(lines) > 5, "a long reason is folded"
    assert max(map(len, lines)) <= 80


def test_a_failed_training_is_one_short_sentence(shop: Command, record: Callable[..., str]) -> None:
    record("train", 1, {"failure": "there are 3 labelled rows\n  rows: got 3; wait", "reasons": ["asked"]}, None)
    assert shop("decisions").out.splitlines()[1:] == ["           failed: there are 3 labelled rows"]


def test_looks_that_ended_with_wait_are_shown_on_demand(shop: Command, record: Callable[..., str]) -> None:
    record("wait", 1)
    assert "no decisions yet" in shop("decisions").out
    assert "wait payments version 1" in shop("decisions", "--all").out


def test_decisions_are_limited_and_chosen_by_task(shop: Command, record: Callable[..., str]) -> None:
    for number in range(5):
        record("reject", number)
    assert shop("decisions", "--limit", 2).out.count("reject payments") == 2
    assert shop("decisions", "--task", "payments").out.count("reject payments") == 5
    said = shop("decisions", "--task", "nix")
    assert said.code == 1
    assert "use one of: payments" in said.err


def test_a_decision_is_shown_with_its_evidence(shop: Command, record: Callable[..., str]) -> None:
    made = record("promote", 1, EVIDENCE["promote"] | {"now": AT, "data": {"rows": 5, "since": AT}})
    for part in (made, made[14:23]):
        said = shop("decisions", "show", part)
        assert said.code == 0
        assert said.out.startswith("promote payments version 1 at 2023-11-14T22:13:21Z by loop\n")
        assert f"id {made}" in said.out
        assert "  estimate: 0.0787\n" in said.out
        assert "  now: 2023-11-14T22:13:20Z\n" in said.out
        assert "  data: rows 5, since 2023-11-14T22:13:20Z\n" in said.out
        assert "not recomputed: " in said.out
    assert "recomputed" not in shop("decisions", "show", made, "--no-recompute").out


def test_what_moves_a_champion_names_its_decision_so_that_it_is_found(
    shop: Command, register: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(1)
    register(2)
    number, alike = iter(range(1, 4)), "4cce-735a-adfe-9af284ad6ac5"
    monkeypatch.setattr(Identifiers, "new", lambda *_: f"01a1fd9{next(number)}-3cc0-{alike[5:]}")
    shop("promote", "payments", 1)
    promoted = shop("promote", "payments", 2).out
    rolled = shop("rollback", "payments").out
    told = [line.rpartition("(decision ")[2].rstrip(")\n") for line in (promoted, rolled)]
    assert told == [f"01a1fd9{number}-3cc0-{alike[5:]}" for number in (2, 3)]
    history = shop("history", "payments", "--alias", "champion").out
    for name in told:
        assert name in history
        assert shop("decisions", "show", name, "--no-recompute").code == 0


def test_a_decision_for_programs(shop: Command, record: Callable[..., str]) -> None:
    made = record("promote", 1)
    found = json.loads(shop("decisions", "show", made, "--json").out)
    assert (found["id"], found["evidence"]) == (made, EVIDENCE["promote"])
    assert found["recomputed"]["agrees"] is None
    assert json.loads(shop("decisions", "show", made, "--json", "--no-recompute").out)["recomputed"] is None


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_evidence_that_is_not_found_again_is_an_error(
    shop: Command, record: Callable[..., str], monkeypatch: pytest.MonkeyPatch, as_json: tuple[str, ...]
) -> None:
    from tropism.loop import recompute as module

    made = record("promote", 1)
    differs = module.Recomputed(agrees=False, reason="n was 900, is 800", evidence={})
    monkeypatch.setattr(module, "recompute", lambda services, decision: differs)
    said = shop("decisions", "show", made, *as_json)
    assert said.code == 1
    assert "n was 900, is 800" in said.out


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("zzz", "no decision has an id with 'zzz'"),
        ("", "no decision has an id with ''"),
        ("01a1fd96-3cce-735a-adfe-9af284ad6ac5", "there is no decision '01a1fd96"),
        ("-", "2 decisions have an id with '-'"),
    ],
)
def test_an_id_that_is_none_or_several(shop: Command, record: Callable[..., str], part: str, words: str) -> None:
    record("reject", 1)
    record("reject", 2)
    said = shop("decisions", "show", "--", part)
    assert said.code == 1
    assert said.err.startswith("error [unknown-decision]")
    assert words in said.err


def test_decisions_whose_short_ids_are_alike_are_listed_and_asked_for_in_full(
    shop: Command, platform: Platform, register: Callable[..., int]
) -> None:
    register()
    made = [f"01a201c3-{part}-71ba-a63e-a98383826ac5" for part in ("7720", "a862")]
    made.append("01a201c4-a862-71ba-a63e-a98383826ac5")
    for identifier in made:
        new = NewDecision(id=identifier, model="payments", kind="reject", version=1, at=AT, actor="x", evidence={})
        platform.registry.decisions.record(new, now=AT)
    listed = [line.split()[0] for line in shop("decisions").out.splitlines() if "reject" in line]
    assert set(listed) == {"7720-71ba-a63e", made[1], made[2]}
    assert shop("decisions", "show", "7720-71ba-a63e").code == 0
    said = shop("decisions", "show", "71ba-a63e")
    assert (said.code, all(one in said.err for one in made)) == (1, True)
