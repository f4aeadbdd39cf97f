from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tropism.core.errors import Conflict, InvalidInput, NotFound
from tropism.core.flag import Flag, FlagEnvironment, FlagRule, Prerequisite
from tropism.registry import Registry

BETA = Flag(key="beta", description="first")


def put(registry: Registry, flag: Flag = BETA, now: int = 1, **parts: Any) -> int:
    return registry.flags.put(flag, actor="ann", now=now, **parts).revision


def test_a_flag_is_made_read_and_changed(registry: Registry) -> None:
    assert put(registry) == 1
    assert registry.flags.get("beta").flag == BETA
    changed = Flag(key="beta", rules=(FlagRule(serve="on"),))
    stored = registry.flags.put(changed, actor="bob", now=5)
    assert (stored.revision, stored.created_at, stored.updated_at) == (2, 1, 5)
    assert registry.flags.all() == (stored,)


def test_the_same_again_changes_nothing(registry: Registry) -> None:
    put(registry)
    moved = registry.flags.revision(), registry.aliases.generation(), registry.audit.head()
    assert put(registry, now=9) == 1
    assert registry.flags.toggle("beta", True, actor="ann", now=9).revision == 1
    assert (registry.flags.revision(), registry.aliases.generation(), registry.audit.head()) == moved


def test_every_change_moves_the_generation_and_the_flags_revision(registry: Registry) -> None:
    seen = [(registry.flags.revision(), registry.aliases.generation())]
    put(registry)
    seen.append((registry.flags.revision(), registry.aliases.generation()))
    registry.flags.delete("beta", actor="ann", now=2)
    seen.append((registry.flags.revision(), registry.aliases.generation()))
    put(registry)
    seen.append((registry.flags.revision(), registry.aliases.generation()))
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_a_change_of_what_somebody_else_changed_is_refused(registry: Registry) -> None:
    put(registry, revision=0)
    with pytest.raises(Conflict, match="at revision 1"):
        put(registry, Flag(key="beta"), revision=0)
    with pytest.raises(Conflict):
        put(registry, Flag(key="gamma"), revision=1)
    assert put(registry, Flag(key="beta"), revision=1) == 2


def test_a_flag_that_makes_no_sense_is_not_written(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="did you mean 'off'"):
        put(registry, Flag(key="beta", default="of"))
    with pytest.raises(InvalidInput, match=r"rules\[0\].when"):
        put(registry, Flag(key="beta", rules=(FlagRule(when="a = 1", serve="on"),)))
    assert registry.flags.all() == ()


def test_a_ring_is_refused_when_it_would_close(registry: Registry) -> None:
    put(registry)
    put(registry, Flag(key="next", prerequisites=(Prerequisite(flag="beta", variant="on"),)))
    with pytest.raises(InvalidInput, match="beta -> next -> beta"):
        put(registry, Flag(key="beta", prerequisites=(Prerequisite(flag="next", variant="on"),)))


def test_a_flag_that_another_needs_is_not_deleted(registry: Registry) -> None:
    put(registry)
    put(registry, Flag(key="next", prerequisites=(Prerequisite(flag="beta", variant="on"),)))
    with pytest.raises(Conflict, match="next"):
        registry.flags.delete("beta", actor="ann", now=2)
    registry.flags.delete("next", actor="ann", now=2)
    registry.flags.delete("beta", actor="ann", now=3)
    with pytest.raises(NotFound):
        registry.flags.get("beta")


def test_a_flag_is_switched_everywhere_or_in_one_environment(registry: Registry) -> None:
    rules = (FlagRule(serve="on"),)
    put(registry, Flag(key="beta", environments={"eu": FlagEnvironment(rules=rules)}))
    flag = registry.flags.toggle("beta", False, actor="ann", now=2).flag
    assert (flag.enabled, flag.environments["eu"].enabled) == (False, None)
    flag = registry.flags.toggle("beta", True, actor="ann", now=3, environment="eu").flag
    assert flag.environments == {"eu": FlagEnvironment(enabled=True, rules=rules)}
    flag = registry.flags.toggle("beta", True, actor="ann", now=4, environment="us").flag
    assert flag.environments["us"] == FlagEnvironment(enabled=True)
    assert registry.flags.kill("beta", True, actor="ann", now=5).flag.killed
    with pytest.raises(InvalidInput, match="environments"):
        registry.flags.toggle("beta", True, actor="ann", now=6, environment="a b")


def test_an_unknown_flag_is_told_with_the_near_one(registry: Registry) -> None:
    put(registry)
    with pytest.raises(NotFound, match="did you mean 'beta'"):
        registry.flags.toggle("betta", False, actor="ann", now=2)
    with pytest.raises(NotFound):
        registry.flags.history("betta")


def test_the_history_says_who_changed_what(registry: Registry) -> None:
    put(registry)
    put(registry, Flag(key="beta", description="second", rules=(FlagRule(serve="on"),)), now=2, comment="why not")
    put(registry, Flag(key="other"), now=3)
    registry.flags.kill("beta", True, actor="bob", now=4)
    registry.flags.delete("beta", actor="bob", now=5)
    found = registry.flags.history("beta")
    assert [(one.at, one.actor, one.action) for one in found] == [
        (5, "bob", "flag.deleted"),
        (4, "bob", "flag.toggled"),
        (2, "ann", "flag.changed"),
        (1, "ann", "flag.created"),
    ]
    assert [one.changed for one in found] == [(), ("killed",), ("rules", "description"), ()]
    assert (found[2].detail["comment"], found[1].detail["killed"]) == ("why not", True)
    chain = [(one.before, one.after) for one in reversed(found)]
    assert chain[0][0] == chain[-1][1] == ""
    assert all(one[1] == other[0] for one, other in pairwise(chain))
    assert registry.flags.history("beta", limit=1) == found[:1]
    assert registry.audit.verify() == ()


def test_somebody_is_named(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="who"):
        registry.flags.put(BETA, actor="", now=1)
    assert registry.flags.all() == ()


def test_declared_flags_may_need_one_another_in_any_order(registry: Registry) -> None:
    put(registry)
    needy = Flag(key="a", prerequisites=(Prerequisite(flag="z", variant="on"),))
    both = registry.flags.declare((needy, Flag(key="z")), actor="project", now=2)
    assert [(before, after.revision) for before, after in both] == [(None, 1), (None, 1)]
    moved = registry.flags.revision(), registry.audit.head()
    again = registry.flags.declare((needy, Flag(key="z")), actor="project", now=3)
    assert [after for _, after in again] == [after for _, after in both]
    assert (registry.flags.revision(), registry.audit.head()) == moved
    assert [one.flag.key for one in registry.flags.all()] == ["a", "beta", "z"], "those made elsewhere stay"


def test_of_declared_flags_all_are_stored_or_none(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="did you mean 'off'"):
        registry.flags.declare((Flag(key="a"), Flag(key="b", default="of")), actor="project", now=1)
    assert registry.flags.all() == ()


def test_a_declaration_switches_on_nothing_that_was_switched_off(registry: Registry) -> None:
    declared = Flag(key="beta", rules=(FlagRule(serve="on"),), environments={"eu": FlagEnvironment()})
    registry.flags.declare((declared,), actor="project", now=1)
    registry.flags.kill("beta", True, actor="ann", now=2)
    registry.flags.toggle("beta", False, actor="ann", now=2)
    registry.flags.toggle("beta", False, environment="us", actor="ann", now=2)
    ((_, after),) = registry.flags.declare((declared,), actor="project", now=3)
    assert (after.flag.killed, after.flag.enabled) == (True, False)
    assert after.flag.environments == {"eu": FlagEnvironment(), "us": FlagEnvironment(enabled=False)}
    assert registry.flags.history("beta")[0].actor == "ann", "the same declaration again changes nothing"
