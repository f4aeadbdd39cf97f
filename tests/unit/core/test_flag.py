from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tropism.core.clock import DAY
from tropism.core.errors import InvalidInput
from tropism.core.flag import DEEPEST, Flag, FlagEnvironment, FlagRule, Prerequisite, check_flag, dependents, read_flag


def refused(flag: Flag, **others: Flag) -> dict[str, str]:
    """The fix for each field that is wrong."""
    with pytest.raises(InvalidInput) as caught:
        check_flag(flag, others)
    return {fault.field: fault.fix for fault in caught.value.faults}


def needing(key: str, *keys: str) -> Flag:
    return Flag(key=key, prerequisites=tuple(Prerequisite(flag=one, variant="on") for one in keys))


def test_a_flag_survives_json() -> None:
    rule = FlagRule(when="age > 18", rollout={"on": 0.25, "off": 0.75}, start=5, until=9)
    flag = Flag(key="beta", rules=(rule,), environments={"staging": FlagEnvironment(enabled=False, rules=(rule,))})
    assert b'"from":5' in msgspec.json.encode(flag)
    assert read_flag(msgspec.to_builtins(flag)) == flag
    check_flag(flag, {})


def test_times_are_written_as_people_write_them() -> None:
    rules = [{"serve": "on", "until": "1970-01-02T00:00:00Z"}]
    flag = read_flag({"key": "beta", "from": "1970-01-03", "rules": rules, "environments": {"eu": {"rules": rules}}})
    assert (flag.start, flag.rules[0].until) == (2 * DAY, DAY)
    assert flag.environments["eu"].rules == flag.rules


@pytest.mark.parametrize(
    ("data", "field", "fix"),
    [
        ({}, "flag.key", "add it"),
        ({"key": "a", "rule": []}, "flag.rule", "did you mean 'rules'"),
        ({"key": "a", "rules": [{"serve": 1}]}, "flag.rules[0].serve", "use text"),
        ({"key": "a", "rules": [{"until": "soon"}]}, "flag.rules[0].until", "ISO 8601"),
        ({"key": "a", "type": "bool"}, "flag.type", "use one of: boolean"),
        ([], "flag", "use an object"),
    ],
)
def test_what_is_no_flag_is_told_where(data: Any, field: str, fix: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_flag(data)
    (fault,) = caught.value.faults
    assert fault.field == field
    assert fix in fault.fix


@pytest.mark.parametrize(
    ("parts", "field", "fix"),
    [
        ({"key": "a/b"}, "key", "letters"),
        ({"key": ".."}, "key", "letters"),
        ({"variants": {}}, "variants", "1 to 50"),
        ({"default": "of"}, "default", "did you mean 'off'"),
        ({"variants": {"on": 1, "off": False}}, "variants.on", "true or false"),
        ({"type": "number"}, "variants.on", "write a number"),
        ({"type": "number", "variants": {"off": float("nan")}}, "variants.off", "write a number"),
        ({"type": "string", "variants": {"off": 3}}, "variants.off", "write a text"),
        ({"type": "json", "variants": {"off": "{}"}}, "variants.off", "an object or a list"),
        ({"rules": [{"serve": "onn"}]}, "rules[0].serve", "did you mean 'on'"),
        ({"rules": [{}]}, "rules[0]", "name a variant in `serve`"),
        ({"rules": [{"serve": "on", "rollout": {"on": 1.0}}]}, "rules[0]", "name a variant in `serve`"),
        ({"rules": [{"rollout": {"on": 0.5, "off": 0.4}}]}, "rules[0].rollout", "sum to 1"),
        ({"rules": [{"rollout": {"on": 1.5, "off": -0.5}}]}, "rules[0].rollout.on", "from 0 to 1"),
        ({"rules": [{"rollout": {"new": 1.0}}]}, "rules[0].rollout", "use one of: off, on"),
        ({"rules": [{"rollout": {"on": 1.0}, "by": ""}]}, "rules[0].by", "targetingKey"),
        ({"rules": [{"serve": "on", "when": "country = 1"}]}, "rules[0].when", "write == to compare"),
        ({"rules": [{"serve": "on", "from": 5, "until": 5}]}, "rules[0].until", "after `from`"),
        ({"from": 9, "until": 5}, "until", "after `from`"),
        ({"environments": {"eu": {"rules": [{"serve": "no"}]}}}, "environments.eu.rules[0].serve", "use one of"),
        ({"description": "x" * 2_001}, "description", "at most 2000"),
        ({"rules": [{"serve": "on"}] * 101}, "rules", "at most 100"),
    ],
)
def test_a_flag_that_makes_no_sense_is_refused(parts: dict[str, Any], field: str, fix: str) -> None:
    found = refused(msgspec.convert({"key": "beta", **parts}, Flag))
    assert fix in found[field]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    flag = Flag(key="a b", default="x", rules=(FlagRule(serve="y"), FlagRule(when="=", serve="on")))
    assert set(refused(flag)) == {"key", "default", "rules[0].serve", "rules[1].when"}


def test_a_flag_cannot_need_itself() -> None:
    assert "cannot need itself" in refused(needing("a", "a"))["prerequisites"]


def test_a_ring_of_flags_is_refused_and_shown() -> None:
    with pytest.raises(InvalidInput, match="a -> b -> c -> a"):
        check_flag(needing("a", "b"), {"b": needing("b", "c"), "c": needing("c", "a")})


def test_flags_may_be_needed_by_two_ways() -> None:
    layers = [Flag(key="base"), needing("b", "base"), needing("c", "base")]
    check_flag(needing("a", "b", "c"), {one.key: one for one in layers})


def test_a_chain_has_an_end() -> None:
    chain = {f"f{number}": needing(f"f{number}", f"f{number - 1}") for number in range(1, DEEPEST)}
    chain["f0"] = Flag(key="f0")
    check_flag(needing("f19", "f18"), chain)
    assert f"at most {DEEPEST}" in refused(needing("top", "f19"), **chain)["prerequisites"]


def test_a_prerequisite_is_there_and_has_the_variant() -> None:
    beta = Flag(key="beta")
    assert "did you mean 'beta'" in refused(needing("a", "bet"), beta=beta)["prerequisites[0].flag"]
    assert "make that flag first" in refused(needing("a", "b"))["prerequisites[0].flag"]
    other = Flag(key="a", prerequisites=(Prerequisite(flag="beta", variant="onn"),))
    assert "did you mean 'on'" in refused(other, beta=beta)["prerequisites[0].variant"]
    assert "once" in refused(needing("a", "beta", "beta"), beta=beta)["prerequisites[0].flag"]


def test_a_variant_that_another_flag_needs_stays() -> None:
    smaller = Flag(key="base", variants={"off": False})
    assert "the flag 'a' needs it" in refused(smaller, a=needing("a", "base"), base=Flag(key="base"))["variants"]
    assert dependents("base", {"a": needing("a", "base"), "b": Flag(key="b")}) == ("a",)
