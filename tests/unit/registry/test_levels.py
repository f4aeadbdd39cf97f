from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tropism.core.errors import Conflict, InvalidInput, PolicyRefused, UnknownTask, UnknownVersion
from tropism.core.governance import ApprovalGate, GateResult, Governance, Level, OwnGate
from tropism.core.task import Feature, Task
from tropism.registry import Registry
from tropism.registry.gate_runs import GateRun, GateRuns
from tropism.registry.level_policies import LevelPolicies, fingerprint
from tropism.registry.levels import LevelMove, Levels, require_top
from tropism.registry.reviews import Reviews

HOUR = 3_600_000_000
PLAIN = (OwnGate(name="any"),)
TASK = Task(name="price", kind="binary", target="y", features=(Feature("a"),))


def policy(*gates: Any, **fields: Any) -> Governance:
    return Governance(
        levels=(Level(name="staging", gates=PLAIN), Level(name="live", gates=gates or PLAIN, single=True)), **fields
    )


@pytest.fixture
def levels(registry: Registry, register: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Levels:
    """Two versions of `price`, by ann, and a policy of two levels."""
    monkeypatch.setattr("tropism.core.governance_faults.names", lambda group: ("any",))
    registry.tasks.apply(TASK, 1)
    register()
    register()
    LevelPolicies(registry.db).set("price", policy(), actor="ann", now=1)
    return Levels(registry.db)


@pytest.fixture
def run(registry: Registry) -> Callable[..., GateRun]:
    """Keeps a run of gates."""

    def one(version: int = 1, level: str = "staging", passed: bool = True, now: int = 2) -> GateRun:
        found = GateResult(name="any", passed=passed, measured=0.8, required="0.9", message="0.8, needs 0.9")
        wanted = fingerprint(LevelPolicies(registry.db).get("price"), level)
        name = f"run-{version}-{level}-{now}"
        return GateRuns(registry.db).add(name, "price", version, level, [found], policy=wanted, actor="ann", now=now)

    return one


@pytest.fixture
def move(levels: Levels) -> Callable[..., LevelMove]:
    def one(level: str, version: int = 1, expected: str = "none", now: int = 3, **fields: Any) -> LevelMove:
        name = fields.pop("name", f"move-{version}-{level}-{now}")
        return levels.move(name, "price", version, level, expected=expected, actor="ann", now=now, **fields)

    return one


def test_a_version_that_was_never_moved_stands_on_none(levels: Levels) -> None:
    found = levels.get("price", 1)
    assert (found.level, found.since) == ("none", 1)
    assert levels.history("price", 1) == ()
    with pytest.raises(UnknownVersion):
        levels.get("price", 9)


def test_gates_that_passed_let_a_version_up(
    registry: Registry, levels: Levels, run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    kept = run()
    done = move("staging", reason="looks right")
    assert (done.before, done.level, done.evidence["run"]) == ("none", "staging", kept.id)
    assert done.evidence["gates"][0]["name"] == "any"
    assert levels.get("price", 1).level == "staging"
    assert levels.history("price", 1) == (done,)
    assert [entry.action for entry in registry.audit.list(2)] == ["level.moved", "level.gates"]
    assert registry.audit.verify() == ()


def test_gates_that_were_not_run_or_failed_keep_it_down(
    levels: Levels, run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    with pytest.raises(PolicyRefused) as caught:
        move("staging")
    assert caught.value.faults[0].fix == "run them: tropism gates price 1 --level staging"
    run(passed=False)
    with pytest.raises(PolicyRefused) as caught:
        move("staging")
    assert [(fault.field, fault.value, fault.fix) for fault in caught.value.faults] == [
        ("any", "0.8", "0.8, needs 0.9")
    ]
    assert levels.get("price", 1).level == "none"


def test_the_gates_of_another_version_or_level_do_not_count(
    run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    run(version=2)
    run(version=1, level="live")
    with pytest.raises(PolicyRefused, match="not run"):
        move("staging")


def test_gates_that_passed_under_another_policy_are_run_again(
    registry: Registry, run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    run()
    changed = Governance(levels=(Level(name="staging", gates=(*PLAIN, *PLAIN)),))
    LevelPolicies(registry.db).set("price", changed, actor="ann", now=2)
    with pytest.raises(PolicyRefused, match="another policy"):
        move("staging")


def test_gates_that_passed_long_ago_are_run_again(run: Callable[..., GateRun], move: Callable[..., LevelMove]) -> None:
    run(now=2)
    with pytest.raises(PolicyRefused, match="passed 8d"):
        move("staging", now=2 + 8 * 24 * HOUR)


def test_gates_that_passed_before_it_was_moved_down_are_run_again(
    run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    run()
    move("staging")
    move("none", expected="staging", now=4)
    with pytest.raises(PolicyRefused, match="before it came to 'none'"):
        move("staging", now=5)
    run(now=6)
    assert move("staging", now=7).level == "staging"


def test_a_move_by_somebody_else_is_noticed(run: Callable[..., GateRun], move: Callable[..., LevelMove]) -> None:
    run()
    done = move("staging")
    with pytest.raises(Conflict, match="moved by somebody else"):
        move("none", expected="none", now=4)
    with pytest.raises(Conflict, match="stands there already"):
        move("staging", expected="staging", now=4)
    assert move("staging") == done
    with pytest.raises(Conflict, match="another move"):
        move("live", name=done.id)


def test_whoever_was_in_production_is_retired_unless_told_otherwise(
    levels: Levels, run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    for version in (1, 2):
        run(version=version, level="live")
    move("live", version=1)
    done = move("live", version=2, now=4)
    assert done.evidence["replaces"] == [1]
    assert levels.get("price", 1).level == "retired"
    assert levels.history("price", 1)[-1].reason == "replaced by version 2"
    with pytest.raises(Conflict, match="is retired"):
        move("staging", version=1, expected="retired", now=5)
    move("none", version=1, expected="retired", now=5)
    run(version=1, level="live", now=6)
    move("live", version=1, now=7, keep=True)
    assert {number: one.level for number, one in levels.all("price").items()} == {1: "live", 2: "live"}


def test_moves_of_one_moment_are_told_in_their_order(
    levels: Levels, run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    for version in (1, 2):
        run(version=version, level="live")
    for version in (1, 2):
        move("live", version=version, now=4)
    assert [one.level for one in levels.history("price", 1)] == ["live", "retired"]


def test_a_version_in_quarantine_does_not_rise(
    registry: Registry, run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    run()
    registry.quarantine.put("price", 1, reason="crash", now=2, actor="data-plane")
    with pytest.raises(Conflict, match="in quarantine"):
        move("staging")


def test_levels_that_are_not_there_are_refused(move: Callable[..., LevelMove]) -> None:
    with pytest.raises(InvalidInput, match="no level 'stging'"):
        move("stging")
    with pytest.raises(InvalidInput, match="tropism retire price 1"):
        move("retired")


def test_approvals_are_used_up_by_a_move(
    registry: Registry, levels: Levels, run: Callable[..., GateRun], move: Callable[..., LevelMove]
) -> None:
    LevelPolicies(registry.db).set("price", policy(ApprovalGate(count=2)), actor="ann", now=2)
    given = Reviews(registry.db)
    for name in ("bob", "cy"):
        given.give(f"r-{name}", "price", 1, "live", actor=name, now=2)
    run(level="live")
    given.withdraw("r-cy", actor="cy", now=3)
    with pytest.raises(PolicyRefused, match="1 more person must approve"):
        move("live")
    given.give("r-dee", "price", 1, "live", actor="dee", now=3)
    done = move("live", now=4)
    assert done.evidence["reviews"] == ["r-bob", "r-dee"]
    assert [one.used_by for one in given.list("price", 1)] == [done.id, None, done.id]
    move("none", expected="live", now=5)
    run(level="live", now=6)
    with pytest.raises(PolicyRefused, match="2 more people"):
        move("live", now=7)


def test_gates_do_not_count_when_the_policy_changed_while_they_ran(registry: Registry, levels: Levels) -> None:
    runs = GateRuns(registry.db)
    with pytest.raises(Conflict, match="changed while the gates ran"):
        runs.add("r", "price", 1, "staging", [], policy="0" * 64, actor="ann", now=2)
    assert runs.list("price", 1) == ()


def test_the_same_run_again_is_kept_once(registry: Registry, levels: Levels, run: Callable[..., GateRun]) -> None:
    assert run() == run()
    assert len(GateRuns(registry.db).list("price", 1)) == 1
    with pytest.raises(Conflict, match="another run"):
        GateRuns(registry.db).add("run-1-staging-2", "price", 2, "staging", [], policy="", actor="ann", now=2)


def test_a_policy_is_kept_with_its_changes_counted(registry: Registry, levels: Levels) -> None:
    policies = LevelPolicies(registry.db)
    rows = registry.audit.head().seq
    assert policies.set("price", policy(), actor="bob", now=5) == 1
    assert registry.audit.head().seq == rows
    assert policies.set("price", policy(reviews="1d"), actor="bob", now=5) == 2
    assert policies.get("price").reviews == "1d"
    with pytest.raises(UnknownTask):
        policies.get("fraud")
    with pytest.raises(InvalidInput, match="not valid"):
        policies.set("price", Governance(levels=()), actor="bob", now=6)


def test_only_the_highest_level_leads_to_champion_where_a_policy_is_written(
    registry: Registry, run: Callable[..., GateRun], move: Callable[..., LevelMove], register: Callable[..., int]
) -> None:
    registry.tasks.apply(Task(name="free", kind="binary", target="y", features=(Feature("a"),)), 1)
    register("free")
    run(level="live")
    with registry.db.read() as connection:
        require_top(connection, "free", 1)
        with pytest.raises(PolicyRefused, match="only versions on the level 'live'"):
            require_top(connection, "price", 1)
    move("live")
    with registry.db.read() as connection:
        require_top(connection, "price", 1)
