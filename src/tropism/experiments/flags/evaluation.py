"""What a flag comes to for a context, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tropism.core.clock import iso
from tropism.core.errors import InvalidInput
from tropism.core.faults import one_of
from tropism.core.flag import TARGETING_KEY
from tropism.experiments.flags.rollout import Rollout
from tropism.experiments.targeting import targeting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tropism.core.flag import Flag, FlagRule

    Context = Mapping[str, Any]

Reason = Literal["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "DEFAULT", "ERROR"]
"""Why, in the words of OpenFeature (specification, section 2.2.5)."""
ErrorCode = Literal["", "FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT"]


class Evaluation(NamedTuple):
    """What a flag came to. `value` is None and `variant` empty where `error` says that it came to nothing.

    `rule`: which rule served it, by name or number; empty if none did.
    """

    key: str
    value: Any
    variant: str
    reason: Reason
    rule: str = ""
    error: ErrorCode = ""
    details: str = ""


class Flagset:
    """Flags, ready to be evaluated. Safe in any thread; never changes.

    >>> from tropism.core.flag import Flag, FlagRule
    >>> rules = (FlagRule(when='country == "DE"', serve="on"),)
    >>> flags = Flagset([Flag(key="new-checkout", rules=rules)])
    >>> flags.evaluate("new-checkout", {"country": "DE"}, now=0)[1:4]
    (True, 'on', 'TARGETING_MATCH')
    >>> flags.evaluate("new-checkout", {"country": "NL"}, now=0)[1:4]
    (False, 'off', 'DEFAULT')
    """

    def __init__(self, flags: Iterable[Flag]) -> None:
        self._flags = {flag.key: _Ready(flag) for flag in flags}

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all flags, sorted."""
        return tuple(sorted(self._flags))

    def __len__(self) -> int:
        return len(self._flags)

    def evaluate(
        self, key: str, context: Context, now: int, environment: str = "", why: list[str] | None = None
    ) -> Evaluation:
        """What a flag comes to at the time `now`, µs since the epoch; never raises.

        `environment`: which environment's rules hold; if empty, the one that the context names as `environment`, if
        any. `why` is filled with one sentence a step, for people.
        """
        named = environment or context.get("environment")
        asked = _Asked(self._flags, _flat(context), now, named if isinstance(named, str) else "", {})
        return asked.come_to(key, why)

    def evaluate_all(self, context: Context, now: int, environment: str = "") -> list[Evaluation]:
        """What every flag comes to, by key."""
        return [self.evaluate(key, context, now, environment) for key in self.keys]


class _Asked(NamedTuple):
    """One question. `known`: what prerequisites came to, so that none is looked at twice."""

    flags: Mapping[str, _Ready]
    context: Context
    now: int
    environment: str
    known: dict[str, Evaluation]

    def come_to(self, key: str, why: list[str] | None) -> Evaluation:
        ready = self.flags.get(key)
        if ready is None:
            fix = one_of(key, self.flags, "flags", "make one with `tropism flags set`")
            return _failed(key, "FLAG_NOT_FOUND", f"there is no flag '{key[:100]}': {fix}"[:2_000])
        off = ready.off(self.now, self.environment)
        if off:
            return _told(why, ready.served(ready.flag.default, "DISABLED"), f"the flag {off}: its default is served")
        if ready.flag.prerequisites:
            unmet = self._unmet(ready.flag, why)
            if unmet is not None:
                return ready.served(ready.flag.default, "DEFAULT") if unmet.error == "" else unmet
        rules = ready.rules(self.environment)
        for rule in rules:
            missed = rule.missed(self.context, self.now, tell=why is not None)
            if missed is None:
                return rule.serve(ready, self.context, why)
            if why is not None:
                why.append(f"{rule.label}: {missed}")
        made = ready.served(ready.flag.default, "DEFAULT" if rules else "STATIC")
        return _told(why, made, "no rule holds: the default is served" if rules else "there are no rules")

    def _unmet(self, flag: Flag, why: list[str] | None) -> Evaluation | None:
        """What the first prerequisite came to that is not as it should be; an error of it is one of this flag."""
        for need in flag.prerequisites:
            found = self.known.get(need.flag)
            if found is None:
                found = self.known[need.flag] = self.come_to(need.flag, None)
            if found.error:
                details = f"'{flag.key}' needs '{need.flag}': {found.details}"
                return _failed(flag.key, found.error if found.error != "FLAG_NOT_FOUND" else "PARSE_ERROR", details)
            met = found.variant == need.variant
            _told(why, found, f"it needs '{need.flag}' to be '{need.variant}', which comes to '{found.variant}'")
            if not met:
                return _told(why, found, "a prerequisite is not met: the default is served")
        return None


class _Ready:
    """A flag whose conditions and shares are worked out."""

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        self._rules = _ready_rules(flag.rules, flag)
        self._environments = {
            name: self._rules if one.rules is None else _ready_rules(one.rules, flag)
            for name, one in flag.environments.items()
        }

    def rules(self, environment: str) -> Sequence[_ReadyRule]:
        return self._environments.get(environment, self._rules)

    def off(self, now: int, environment: str) -> str:
        """Why the flag is off, which no rule changes; empty if it is on."""
        flag = self.flag
        if flag.killed:
            return "is killed"
        own = flag.environments.get(environment)
        if not (flag.enabled if own is None or own.enabled is None else own.enabled):
            return f"is off in '{environment}'" if own is not None and own.enabled is not None else "is off"
        return _outside(flag, now)

    def served(self, variant: str, reason: Reason, rule: str = "") -> Evaluation:
        return Evaluation(self.flag.key, self.flag.variants[variant], variant, reason, rule)


class _ReadyRule:
    """A rule whose condition is read. One that cannot be read makes the flag an error once it is reached."""

    def __init__(self, rule: FlagRule, number: int, flag: Flag) -> None:
        self.label = rule.name or f"rule {number}"
        self._rule = rule
        self._first = number == 1
        self._key = flag.key
        self._holds, self._problem = None, ""
        self._timed = rule.start is not None or rule.until is not None
        self._rollout = Rollout(rule.seed or flag.key, rule.rollout) if rule.rollout else None
        if rule.when:
            try:
                self._holds = targeting(rule.when)
            except InvalidInput as error:
                self._problem = f"{self.label}: {error}"

    def missed(self, context: Context, now: int, tell: bool) -> str | None:
        """Why it does not hold, in words if `tell`; None if it does."""
        if self._timed and (outside := _outside(self._rule, now)):
            return outside
        if self._holds is None or self._holds(context):
            return None
        return f"{self._rule.when} does not hold" if tell else ""

    def serve(self, ready: _Ready, context: Context, why: list[str] | None) -> Evaluation:
        if self._problem:
            return _failed(self._key, "PARSE_ERROR", self._problem)
        if why is not None:
            why.append(f"{self.label}: {f'{self._rule.when} holds' if self._holds else 'it is for everybody'}")
        if self._rollout is None:
            always: Reason = "STATIC" if self._first and not self._timed else "DEFAULT"
            return ready.served(self._rule.serve, "TARGETING_MATCH" if self._holds else always, self.label)
        unit = _unit(context, self._rule.by)
        if unit is None:
            code: ErrorCode = "TARGETING_KEY_MISSING" if self._rule.by == TARGETING_KEY else "INVALID_CONTEXT"
            return _failed(self._key, code, f"{self.label} splits by '{self._rule.by}': send a text or a whole number")
        made = ready.served(self._rollout.of(unit), "SPLIT", self.label)
        return _told(why, made, f"{self._rule.by} {unit!r} is in the share of '{made.variant}'")


def _flat(context: Context) -> Context:
    """The context with what is inside its attributes under names with dots: `account.plan`."""
    made: dict[str, Any] = {}
    waiting = [(f"{name}.", value) for name, value in context.items() if isinstance(value, dict)]
    for prefix, inner in waiting:  # grows while it is gone through
        for name, value in inner.items():
            made[f"{prefix}{name}"] = value
            if isinstance(value, dict):
                waiting.append((f"{prefix}{name}.", value))
    return {**made, **context} if made else context


def _ready_rules(rules: Sequence[FlagRule], flag: Flag) -> tuple[_ReadyRule, ...]:
    return tuple(_ReadyRule(rule, number, flag) for number, rule in enumerate(rules, 1))


def _unit(context: Context, by: str) -> str | None:
    found = context.get(by)
    if isinstance(found, str):
        return found or None
    whole = isinstance(found, int) and not isinstance(found, bool) and found.bit_length() < 64
    return str(found) if whole else None


def _outside(part: Flag | FlagRule, now: int) -> str:
    """In words, if the time of a flag or a rule has not come, or is over."""
    if part.start is not None and now < part.start:
        return f"does not hold before {iso(part.start)}"
    return f"has ended at {iso(part.until)}" if part.until is not None and now >= part.until else ""


def _failed(key: str, code: ErrorCode, details: str) -> Evaluation:
    return Evaluation(key, None, "", "ERROR", "", code, details)


def _told(why: list[str] | None, made: Evaluation, sentence: str) -> Evaluation:
    if why is not None:
        why.append(sentence)
    return made
