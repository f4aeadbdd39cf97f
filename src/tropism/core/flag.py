"""A feature flag: what it can be, for whom, and when."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tropism.core.clock import from_datetime
from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import one_of, shown
from tropism.core.misfits import misfit
from tropism.core.targeting import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FlagType = Literal["boolean", "string", "number", "json"]
TARGETING_KEY = "targetingKey"
"""The attribute of a context that says whom a flag is asked for, as OpenFeature calls it."""
MOST_RULES, MOST_VARIANTS, MOST_TEXT = 100, 50, 2_000
MOST_DEPTH = 50
"""Of objects and lists within one another in a variant's value."""
DEEPEST = 20
"""Most flags in a chain of flags that need one another."""
_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_NAMED = "use 1 to 100 letters, digits, '.', '_' and '-'"
_FITTING = {
    "boolean": "write true or false",
    "string": "write a text",
    "number": "write a number",
    "json": "write an object or a list, nested at most 50 deep",
}
_TIMES = ("from", "until")


class _RingError(Exception):
    """Flags that need one another in a ring."""


class FlagRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a rule is for, and what it serves: one variant, or several by weight.

    `when`: a rule on the context's attributes as `core.targeting` reads it; everybody if empty. `serve`: a variant.
    `rollout`: shares by variant, which sum to 1. A unit, the value of the attribute `by`, keeps its share as long as
    `seed` (the flag's key, if empty) stays; growing the first variant moves nobody out of it. The rule holds from
    `start` (`from` in JSON) until before `until`, µs since the epoch; at any time if None.

    >>> FlagRule(when='country == "DE"', rollout={"on": 0.1, "off": 0.9}).by
    'targetingKey'
    """

    when: str = ""
    serve: str = ""
    rollout: dict[str, float] = {}
    by: str = TARGETING_KEY
    seed: str = ""
    name: str = ""
    start: int | None = msgspec.field(default=None, name="from")
    until: int | None = None


class FlagEnvironment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs in one environment; None where nothing does."""

    enabled: bool | None = None
    rules: tuple[FlagRule, ...] | None = None


class Prerequisite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another flag that has to come to a variant first."""

    flag: str
    variant: str


class Flag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A feature flag. The first rule that holds says which variant is served, else `default` is.

    `default` is served too while the flag is not `enabled`, is `killed` (which wins over every environment), outside
    its time (`start`, `until`: as in a rule), and where a prerequisite comes to another variant.

    >>> flag = Flag(key="new-checkout", rules=(FlagRule(serve="on"),))
    >>> flag.variants[flag.default]
    False
    """

    key: str
    type: FlagType = "boolean"
    variants: dict[str, Any] = msgspec.field(default_factory=lambda: {"on": True, "off": False})
    default: str = "off"
    enabled: bool = True
    killed: bool = False
    rules: tuple[FlagRule, ...] = ()
    environments: dict[str, FlagEnvironment] = {}
    prerequisites: tuple[Prerequisite, ...] = ()
    start: int | None = msgspec.field(default=None, name="from")
    until: int | None = None
    description: str = ""


def read_flag(data: Any) -> Flag:
    """The flag that a JSON object states; times may be ISO 8601 as well. Whether it makes sense: `check_flag`.

    Raises:
        InvalidInput: it is not the form of a flag.

    >>> read_flag({"key": "beta", "rules": [{"serve": "on", "from": "1970-01-02"}]}).rules[0].start
    86400000000
    """
    made = _timed(data)
    try:
        return msgspec.convert(made, Flag)
    except msgspec.ValidationError as error:
        fault = misfit(error, made, Flag, "")
        field = f"flag.{fault.field}".rstrip(".")
        raise InvalidInput("this is not a flag", Fault(field, fault.value, fault.fix)) from error


def _timed(data: Any, field: str = "flag") -> Any:
    """The object with its times in µs, and those of the rules below it."""
    if not isinstance(data, dict):
        return data
    made = {name: _moment(value, f"{field}.{name}") if name in _TIMES else value for name, value in data.items()}
    rules, environments = made.get("rules"), made.get("environments")
    if isinstance(rules, list):
        made["rules"] = [_timed(one, f"{field}.rules[{number}]") for number, one in enumerate(rules)]
    if isinstance(environments, dict):
        made["environments"] = {name: _timed(one, f"{field}.environments.{name}") for name, one in environments.items()}
    return made


def _moment(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return from_datetime(datetime.fromisoformat(value))
    except (ValueError, OverflowError) as error:
        fix = "write ISO 8601, such as 2026-01-31T12:00:00Z, or microseconds since 1970"
        raise InvalidInput("a time cannot be read", Fault(field, shown(value), fix)) from error


def check_flag(flag: Flag, others: Mapping[str, Flag]) -> None:
    """Refuses a flag that makes no sense among the `others`, by key (itself, as it was, may be among them).

    Raises:
        InvalidInput: names each field that is wrong, its value and the fix.

    >>> check_flag(Flag(key="beta", default="of"), {})
    Traceback (most recent call last):
    tropism.core.errors.InvalidInput: the flag 'beta' cannot be used
      default: got 'of'; did you mean 'off'? The variants are: off, on
    """
    faults = [*_own_faults(flag), *_prerequisite_faults(flag, others), *_dependent_faults(flag, others)]
    if faults:
        raise InvalidInput(f"the flag {flag.key[:100]!r} cannot be used", *faults)


def keep_off(flag: Flag, before: Flag) -> Flag:
    """The flag, with the switches off that were off `before`: a declaration never switches on what somebody
    switched off or killed since.

    >>> keep_off(Flag(key="beta", description="new"), Flag(key="beta", killed=True)).killed
    True
    """
    environments = dict(flag.environments)
    for name, was in before.environments.items():
        if was.enabled is False:
            environments[name] = msgspec.structs.replace(environments.get(name, FlagEnvironment()), enabled=False)
    return msgspec.structs.replace(
        flag,
        enabled=flag.enabled and before.enabled,
        killed=flag.killed or before.killed,
        environments=environments,
    )


def dependents(key: str, flags: Mapping[str, Flag]) -> tuple[str, ...]:
    """Keys of the flags that need this one, sorted."""
    return tuple(sorted(one.key for one in flags.values() if any(need.flag == key for need in one.prerequisites)))


def _own_faults(flag: Flag) -> Iterator[Fault]:
    if not _is_name(flag.key):
        yield Fault("key", shown(flag.key), _NAMED)
    if not 0 < len(flag.variants) <= MOST_VARIANTS:
        yield Fault("variants", str(len(flag.variants)), f"name 1 to {MOST_VARIANTS} variants")
    for name, value in flag.variants.items():
        if not _is_name(name):
            yield Fault("variants", shown(name), _NAMED)
        if not _fits(value, flag.type):
            yield Fault(f"variants.{name}", shown(value), f"{_FITTING[flag.type]}, or change the type '{flag.type}'")
    if flag.default not in flag.variants:
        yield Fault("default", repr(flag.default[:60]), _variant_fix(flag.default, flag))
    if len(flag.description) > MOST_TEXT:
        yield Fault("description", f"{len(flag.description)} characters", f"use at most {MOST_TEXT}")
    yield from _time_faults(flag, "")
    yield from _rules_faults(flag.rules, flag, "rules")
    for name, environment in flag.environments.items():
        if not _is_name(name):
            yield Fault("environments", shown(name), _NAMED)
        yield from _rules_faults(environment.rules or (), flag, f"environments.{name}.rules")


def _rules_faults(rules: tuple[FlagRule, ...], flag: Flag, field: str) -> Iterator[Fault]:
    if len(rules) > MOST_RULES:
        yield Fault(field, f"{len(rules)} rules", f"use at most {MOST_RULES}")
        return
    for number, rule in enumerate(rules):
        place = f"{field}[{number}]"
        yield from _time_faults(rule, f"{place}.")
        yield from _condition_faults(rule.when, f"{place}.when")
        if len(rule.name) > MOST_TEXT:
            yield Fault(f"{place}.name", f"{len(rule.name)} characters", f"use at most {MOST_TEXT}")
        if bool(rule.serve) == bool(rule.rollout):
            yield Fault(place, "both" if rule.serve else "neither", "name a variant in `serve`, or shares in `rollout`")
        elif rule.serve and rule.serve not in flag.variants:
            yield Fault(f"{place}.serve", repr(rule.serve[:60]), _variant_fix(rule.serve, flag))
        elif rule.rollout:
            yield from _rollout_faults(rule, flag, place)


def _condition_faults(when: str, field: str) -> Iterator[Fault]:
    try:
        if when:
            parse(when, field)
    except InvalidInput as error:
        yield from error.faults


def _rollout_faults(rule: FlagRule, flag: Flag, place: str) -> Iterator[Fault]:
    for name, share in rule.rollout.items():
        if name not in flag.variants:
            yield Fault(f"{place}.rollout", repr(name[:60]), _variant_fix(name, flag))
        if not 0 <= share <= 1:
            yield Fault(f"{place}.rollout.{name}", str(share), "use a share from 0 to 1")
    total = math.fsum(rule.rollout.values())
    if not abs(total - 1) < 1e-6:
        yield Fault(f"{place}.rollout", f"{total:.6g} in all", "let the shares sum to 1")
    if not rule.by:
        yield Fault(f"{place}.by", "''", f"name the attribute that units are told apart by, such as {TARGETING_KEY}")


def _time_faults(part: Flag | FlagRule, prefix: str) -> Iterator[Fault]:
    if part.start is not None and part.until is not None and part.start >= part.until:
        yield Fault(f"{prefix}until", str(part.until), "use a time after `from`")


def _prerequisite_faults(flag: Flag, others: Mapping[str, Flag]) -> Iterator[Fault]:
    known = {**others, flag.key: flag}
    counts = Counter(need.flag for need in flag.prerequisites)
    for number, need in enumerate(flag.prerequisites):
        place = f"prerequisites[{number}]"
        found = known.get(need.flag)
        if found is None:
            others_known = [name for name in known if name != flag.key]
            fix = one_of(need.flag, others_known, "flags", "make that flag first")
            yield Fault(f"{place}.flag", repr(need.flag[:100]), fix)
        elif need.variant not in found.variants:
            yield Fault(f"{place}.variant", repr(need.variant[:60]), _variant_fix(need.variant, found))
        if counts[need.flag] > 1:
            yield Fault(f"{place}.flag", repr(need.flag[:100]), "name each flag once")
    yield from _chain_faults(flag.key, known)


def _chain_faults(first: str, flags: Mapping[str, Flag]) -> Iterator[Fault]:
    """A ring of flags that need one another, or a chain that is too long."""
    depths: dict[str, int] = {}

    def depth(key: str, above: tuple[str, ...]) -> int:
        if key in above:
            way = " -> ".join((*above[above.index(key) :], key))
            raise _RingError(way)
        if key not in depths:
            needs = flags[key].prerequisites if key in flags else ()
            depths[key] = 1 + max((depth(need.flag, (*above, key)) for need in needs), default=0)
        return depths[key]

    try:
        deepest = max(depth(key, ()) for key in (first, *flags))
    except _RingError as ring:
        yield Fault("prerequisites", str(ring)[:400], "leave one of these out: a flag cannot need itself")
        return
    if deepest > DEEPEST:
        yield Fault("prerequisites", f"a chain of {deepest} flags", f"let at most {DEEPEST} need one another")


def _dependent_faults(flag: Flag, others: Mapping[str, Flag]) -> Iterator[Fault]:
    for key in dependents(flag.key, others):
        for need in others[key].prerequisites:
            if key != flag.key and need.flag == flag.key and need.variant not in flag.variants:
                yield Fault("variants", repr(need.variant), f"keep it: the flag '{key}' needs it, or change that first")


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 100 and not set(name) - _KEY and name not in (".", "..")


def _fits(value: Any, kind: FlagType) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind == "json":
        return isinstance(value, dict | list) and not _deeper(value, MOST_DEPTH)
    return isinstance(value, bool if kind == "boolean" else str)


def _deeper(value: Any, most: int) -> bool:
    """Whether objects and lists are nested more than `most` deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_deeper(one, most - 1) for one in inner)


def _variant_fix(name: str, flag: Flag) -> str:
    return one_of(name, flag.variants, "variants", "name a variant first")
