from __future__ import annotations

from typing import Any

import pytest

from tropism.core.flag import Flag, FlagEnvironment, FlagRule, Prerequisite
from tropism.experiments.flags import Evaluation, Flagset

HALF = {"on": 0.5, "off": 0.5}
TARGETED = FlagRule(when='country == "DE" and plan in ("pro", "team")', serve="on")


def asked(flag: Flag, context: dict[str, Any] | None = None, now: int = 0, environment: str = "") -> Evaluation:
    return Flagset([flag]).evaluate(flag.key, context or {}, now, environment)


def said(flag: Flag, context: dict[str, Any] | None = None, now: int = 0, environment: str = "") -> tuple[str, str]:
    found = asked(flag, context, now, environment)
    return found.variant, found.reason


def test_the_first_rule_that_holds_serves() -> None:
    flag = Flag(key="f", rules=(TARGETED, FlagRule(when="age >= 18", serve="on", name="adults"), FlagRule(serve="off")))
    assert asked(flag, {"country": "DE", "plan": "pro"}) == Evaluation("f", True, "on", "TARGETING_MATCH", "rule 1")
    assert asked(flag, {"country": "NL", "age": 30}) == Evaluation("f", True, "on", "TARGETING_MATCH", "adults")
    assert asked(flag, {"country": "DE"}) == Evaluation("f", False, "off", "DEFAULT", "rule 3")


def test_where_nothing_is_asked_of_the_context_the_answer_is_static() -> None:
    assert said(Flag(key="f")) == ("off", "STATIC")
    assert said(Flag(key="f", rules=(FlagRule(serve="on"),))) == ("on", "STATIC")


def test_no_rule_holds() -> None:
    assert said(Flag(key="f", rules=(TARGETED,)), {"country": "NL"}) == ("off", "DEFAULT")


@pytest.mark.parametrize(
    ("when", "context", "holds"),
    [
        ("age > 18", {}, False),
        ("age > 18", {"age": "30"}, False),
        ("not age > 18", {}, False),
        ("country != 'DE'", {}, False),
        ("account.plan == 'pro'", {"account": {"plan": "pro"}}, True),
        ("account.plan == 'pro'", {"account.plan": "pro"}, True),
        ("account.owner.age >= 18", {"account": {"owner": {"age": 20}}}, True),
        ("account.plan == 'pro'", {"account": "pro"}, False),
        ("tester", {"tester": True}, True),
        ("tester", {"tester": 1}, False),
        ("targetingKey == 'user-7'", {"targetingKey": "user-7"}, True),
        ("plan in ('pro', 'team')", {"plan": ["pro"]}, False),
    ],
)
def test_a_missing_attribute_makes_no_condition_true(when: str, context: dict[str, Any], holds: bool) -> None:
    flag = Flag(key="f", rules=(FlagRule(when=when, serve="on"),))
    assert said(flag, context) == (("on", "TARGETING_MATCH") if holds else ("off", "DEFAULT"))


def test_a_share_is_kept_by_its_unit() -> None:
    flag = Flag(key="f", rules=(FlagRule(rollout=HALF),))
    first = [said(flag, {"targetingKey": f"user-{number}"}) for number in range(200)]
    assert {variant for variant, _ in first} == {"on", "off"}
    assert {reason for _, reason in first} == {"SPLIT"}
    assert [said(flag, {"targetingKey": f"user-{number}", "page": 2}) for number in range(200)] == first


def test_a_share_may_be_by_another_attribute() -> None:
    flag = Flag(key="f", rules=(FlagRule(rollout=HALF, by="account.id"),))
    alike = {said(flag, {"account": {"id": 7}, "targetingKey": f"user-{number}"}) for number in range(50)}
    assert len(alike) == 1


@pytest.mark.parametrize(
    ("by", "context", "error"),
    [
        ("targetingKey", {}, "TARGETING_KEY_MISSING"),
        ("targetingKey", {"targetingKey": ""}, "TARGETING_KEY_MISSING"),
        ("company", {"targetingKey": "user-7"}, "INVALID_CONTEXT"),
        ("company", {"company": 1.5}, "INVALID_CONTEXT"),
        ("company", {"company": True}, "INVALID_CONTEXT"),
        ("company", {"company": 10**5_000}, "INVALID_CONTEXT"),
    ],
)
def test_a_split_needs_somebody_to_split_by(by: str, context: dict[str, Any], error: str) -> None:
    found = asked(Flag(key="f", rules=(FlagRule(rollout=HALF, by=by),)), context)
    assert (found.value, found.variant, found.reason, found.error) == (None, "", "ERROR", error)
    assert by in found.details


def test_whom_an_earlier_rule_serves_needs_no_targeting_key() -> None:
    flag = Flag(key="f", rules=(FlagRule(when="tester", serve="on"), FlagRule(rollout=HALF)))
    assert said(flag, {"tester": True}) == ("on", "TARGETING_MATCH")


def test_an_environment_has_switches_and_rules_of_its_own() -> None:
    rules = (FlagRule(serve="on"),)
    environments = {"staging": FlagEnvironment(rules=rules), "production": FlagEnvironment(enabled=False)}
    flag = Flag(key="f", environments=environments)
    assert said(flag, environment="staging") == ("on", "STATIC")
    assert said(flag, environment="production") == ("off", "DISABLED")
    assert said(flag, {"environment": "staging"}) == ("on", "STATIC")
    assert said(flag, {"environment": "staging"}, environment="test") == ("off", "STATIC")
    off = Flag(key="f", enabled=False, rules=rules, environments={"staging": FlagEnvironment(enabled=True)})
    assert said(off, environment="staging") == ("on", "STATIC")
    assert said(off) == ("off", "DISABLED")


def test_a_kill_wins_over_every_environment() -> None:
    environments = {"staging": FlagEnvironment(enabled=True, rules=(FlagRule(serve="on"),))}
    flag = Flag(key="f", killed=True, rules=(FlagRule(serve="on"),), environments=environments)
    assert said(flag) == said(flag, environment="staging") == ("off", "DISABLED")


def test_a_schedule_starts_and_ends_a_flag_and_a_rule() -> None:
    flag = Flag(key="f", rules=(FlagRule(serve="on"),), start=10, until=20)
    assert [said(flag, now=now)[0] for now in (9, 10, 19, 20)] == ["off", "on", "on", "off"]
    assert said(flag, now=9)[1] == "DISABLED"
    ruled = Flag(key="f", rules=(FlagRule(serve="on", start=10, until=20),))
    assert [said(ruled, now=now)[0] for now in (9, 10, 19, 20)] == ["off", "on", "on", "off"]
    assert said(ruled, now=9)[1] == "DEFAULT"


def test_a_prerequisite_has_to_be_met() -> None:
    base = Flag(key="base", rules=(FlagRule(when="country == 'DE'", serve="on"),))
    need = (Prerequisite(flag="base", variant="on"),)
    flags = Flagset([base, Flag(key="f", rules=(FlagRule(serve="on"),), prerequisites=need)])
    assert flags.evaluate("f", {"country": "DE"}, 0)[1:4] == (True, "on", "STATIC")
    assert flags.evaluate("f", {"country": "NL"}, 0)[1:4] == (False, "off", "DEFAULT")


def test_an_error_of_a_prerequisite_is_one_of_the_flag() -> None:
    need = (Prerequisite(flag="base", variant="on"),)
    flags = Flagset([Flag(key="base", rules=(FlagRule(rollout=HALF),)), Flag(key="f", prerequisites=need)])
    found = flags.evaluate("f", {}, 0)
    assert (found.error, found.key) == ("TARGETING_KEY_MISSING", "f")
    assert "needs 'base'" in found.details


def test_prerequisites_by_many_ways_are_looked_at_once() -> None:
    """A lattice of twenty layers has a million ways through it."""
    flags = [Flag(key="0-a"), Flag(key="0-b")]
    for layer in range(1, 20):
        need = tuple(Prerequisite(flag=f"{layer - 1}-{side}", variant="off") for side in "ab")
        flags += [Flag(key=f"{layer}-{side}", prerequisites=need) for side in "ab"]
    assert Flagset(flags).evaluate("19-a", {}, 0).variant == "off"


def test_values_of_every_type_come_back() -> None:
    for kind, value in {"string": "calm", "number": 1.5, "json": {"a": [1]}}.items():
        flag = Flag(key="f", type=kind, variants={"v": value}, default="v")  # type: ignore[arg-type]
        assert asked(flag).value == value


def test_a_flag_that_is_not_there_is_told_with_the_near_one() -> None:
    found = Flagset([Flag(key="new-checkout")]).evaluate("new-chekout", {}, 0)
    assert (found.error, found.reason) == ("FLAG_NOT_FOUND", "ERROR")
    assert "did you mean 'new-checkout'" in found.details


def test_a_condition_that_cannot_be_read_is_an_error_once_it_is_reached() -> None:
    broken = FlagRule(when="country = 'DE'", serve="on")
    assert asked(Flag(key="f", rules=(broken,))).error == "PARSE_ERROR"
    assert said(Flag(key="f", rules=(FlagRule(when="a", serve="on"), broken)), {"a": True})[0] == "on"


def test_every_step_is_told() -> None:
    flag = Flag(key="f", rules=(TARGETED, FlagRule(rollout={"on": 0.0, "off": 1.0}, name="rest")))
    why: list[str] = []
    Flagset([flag]).evaluate("f", {"targetingKey": "user-7"}, 0, why=why)
    assert why == [
        'rule 1: country == "DE" and plan in ("pro", "team") does not hold',
        "rest: it is for everybody",
        "targetingKey 'user-7' is in the share of 'off'",
    ]


def test_all_flags_come_in_order() -> None:
    found = Flagset([Flag(key="b"), Flag(key="a", rules=(FlagRule(rollout=HALF),))]).evaluate_all({}, 0)
    assert [(one.key, one.error) for one in found] == [("a", "TARGETING_KEY_MISSING"), ("b", "")]
