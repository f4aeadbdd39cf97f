"""Rules as a project declares them, stored as JSON. No rule on values fails for a missing one (null or NaN)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, get_args

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.features.checks.documents import schema_faults
from tropism.features.checks.patterns import pattern_faults
from tropism.features.names import name_faults

Policy = Literal["warn", "null", "reject", "stop"]
Bound = int | float | datetime.datetime
NUMBERS = ("number", "integer", "decimal")
_WHOLE = 2**63


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="rule"):
    """What every rule has. `policy`: what becomes of failures: `warn` counts them, `null` takes the value out,
    `reject` takes the row out, `stop` lets nothing through.

    Raises:
        InvalidInput: the rule, or its policy, makes no sense.
    """

    column: str
    policy: Policy = "warn"
    policies: ClassVar[tuple[str, ...]] = get_args(Policy)
    of_rows: ClassVar[bool] = True
    """Whether each value is judged by itself, so that a single row can be checked too."""

    def __post_init__(self) -> None:
        faults = name_faults("column", self.column, column=True)
        if self.policy not in self.policies:
            fix = f"use one of: {', '.join(self.policies)}"
            faults.append(Fault("policy", repr(self.policy)[:80], fix))
        faults += self._faults()
        if faults:
            raise InvalidInput(f"the rule {self.title} is not valid", *faults)

    @property
    def title(self) -> str:
        """Such as `range of 'amount'`."""
        return f"{self.__struct_config__.tag} of '{str(self.column)[:80]}'"

    @property
    def wants(self) -> tuple[str, ...]:
        """Kinds of type that its column may have; none named: any."""
        return ()

    def _faults(self) -> list[Fault]:
        return []


class Range(Rule, frozen=True, tag="range"):
    """Numbers, or moments, from `minimum` to `maximum`, both of them in it unless excluded.

    A decimal column takes bounds as they are written: 0.1 is exactly that. Moments without a zone are in UTC.
    """

    minimum: Bound | None = None
    maximum: Bound | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False

    def __post_init__(self) -> None:
        for name in ("minimum", "maximum"):
            bound = getattr(self, name)
            if isinstance(bound, datetime.datetime) and bound.tzinfo is None:
                msgspec.structs.force_setattr(self, name, bound.replace(tzinfo=datetime.UTC))
        super().__post_init__()

    @property
    def edges(self) -> list[tuple[Bound, bool, bool]]:
        """Each bound: itself, whether it is excluded, whether it is the upper one."""
        both = ((self.minimum, self.exclusive_minimum, False), (self.maximum, self.exclusive_maximum, True))
        return [(bound, exclusive, upper) for bound, exclusive, upper in both if bound is not None]

    @property
    def wants(self) -> tuple[str, ...]:
        return ("time",) if isinstance(self.edges[0][0], datetime.datetime) else NUMBERS

    def _faults(self) -> list[Fault]:
        if not self.edges:
            return [Fault("minimum", "nothing", "give a minimum, a maximum or both")]
        faults = []
        for bound, _, upper in self.edges:
            if not _usable(bound):
                fix = "use a moment, or a finite number (whole ones in 64 bits)"
                faults.append(Fault("maximum" if upper else "minimum", repr(bound)[:80], fix))
        if faults or len(self.edges) < 2:
            return faults
        low, high = self.edges[0][0], self.edges[1][0]
        if isinstance(low, datetime.datetime) != isinstance(high, datetime.datetime):
            return [Fault("maximum", repr(high), "give both as numbers or both as moments")]
        excluded = self.exclusive_minimum or self.exclusive_maximum
        if low > high or (low == high and excluded):  # type: ignore[operator]  # they are of one kind
            return [Fault("maximum", repr(high), f"nothing is in this range; use more than the minimum, {low}")]
        return []


def _usable(bound: object) -> bool:
    if isinstance(bound, bool):
        return False
    if isinstance(bound, int):
        return -_WHOLE <= bound < _WHOLE
    return math.isfinite(bound) if isinstance(bound, float) else isinstance(bound, datetime.datetime)


class OneOf(Rule, frozen=True, tag="one_of"):
    """One of some texts, numbers or booleans."""

    values: tuple[bool | int | float | str, ...]

    def __post_init__(self) -> None:
        given: Any = self.values
        if isinstance(given, str) or not isinstance(given, Iterable):
            given = (given,)
        elif isinstance(given, set | frozenset):  # stored the same each time
            given = sorted(given, key=repr)
        msgspec.structs.force_setattr(self, "values", tuple(given))
        super().__post_init__()

    @property
    def wants(self) -> tuple[str, ...]:
        first = self.values[0]
        if isinstance(first, bool):
            return ("boolean",)
        return ("text",) if isinstance(first, str) else NUMBERS

    def _faults(self) -> list[Fault]:
        kinds = {"text" if isinstance(one, str) else type(one) is bool for one in self.values}
        if len(kinds) != 1 or not all(isinstance(one, str) or type(one) is bool or _usable(one) for one in self.values):
            fix = "give at least one, all of them texts, numbers or booleans"
            return [Fault("values", repr(self.values)[:80], fix)]
        return []


class Matches(Rule, frozen=True, tag="matches"):
    """Text that a regular expression matches from beginning to end, in RE2's syntax, which takes linear time."""

    pattern: str

    @property
    def wants(self) -> tuple[str, ...]:
        return ("text",)

    def _faults(self) -> list[Fault]:
        return pattern_faults(self.pattern)


class JsonSchema(Rule, frozen=True, tag="json_schema"):
    """Text that is a JSON document and valid against a JSON Schema (draft 2020-12).

    References lead into the schema itself only. Needs the extra `schemas`.
    """

    schema: dict[str, Any]

    @property
    def wants(self) -> tuple[str, ...]:
        return ("text",)

    def _faults(self) -> list[Fault]:
        return schema_faults(self.schema)


class Custom(Rule, frozen=True, tag="custom"):
    """Values for which a function says True. `name`: of an entry point in `tropism.checks`, a function of one value,
    which is called once for each different one."""

    name: str

    def _faults(self) -> list[Fault]:
        return [] if self.name else [Fault("name", "''", "name an entry point of tropism.checks")]


class NullRate(Rule, frozen=True, tag="null_rate"):
    """At most so large a share of nulls (and NaN), 0 to 1, among the rows."""

    most: float
    policies: ClassVar[tuple[str, ...]] = ("warn", "stop")
    of_rows: ClassVar[bool] = False

    def _faults(self) -> list[Fault]:
        number = isinstance(self.most, int | float) and not isinstance(self.most, bool)
        good = number and 0 <= self.most < 1
        return [] if good else [Fault("most", repr(self.most)[:80], "use a share from 0 to below 1")]


class Unique(Rule, frozen=True, tag="unique"):
    """No value twice; with `others`, no combination of the columns' values. Rows with a null in one are not compared.

    Of equal rows all but the first fail.
    """

    others: tuple[str, ...] = ()
    policies: ClassVar[tuple[str, ...]] = ("warn", "reject", "stop")
    of_rows: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, *self.others)

    def _faults(self) -> list[Fault]:
        faults = [fault for column in self.others for fault in name_faults("others", column, column=True)]
        if not faults and len(set(self.columns)) < len(self.columns):
            faults.append(Fault("others", repr(self.others)[:80], "name each column once"))
        return faults


class Fresh(Rule, frozen=True, tag="fresh"):
    """The newest of a column of moments is no older than `within`; without rows, nothing is fresh."""

    within: str
    policies: ClassVar[tuple[str, ...]] = ("warn", "stop")
    of_rows: ClassVar[bool] = False

    @property
    def length(self) -> int:
        """`within` in µs."""
        return parse_duration(self.within, "within")

    @property
    def wants(self) -> tuple[str, ...]:
        return ("time",)

    def _faults(self) -> list[Fault]:
        given: Any = self.within
        if not isinstance(given, str):
            return [Fault("within", repr(given)[:80], "write a number and a unit, such as 90s, 6h or 2d")]
        try:
            return [] if self.length > 0 else [Fault("within", repr(self.within), "use a time above 0, such as 1d")]
        except InvalidInput as error:
            return list(error.faults)


AnyRule = Range | OneOf | Matches | JsonSchema | Custom | NullRate | Unique | Fresh


class _Rules:
    """Ways to write a rule: `rule.range("amount", 0, 1e6, policy="reject")`.

    >>> rule.one_of("currency", ["EUR", "USD"], policy="null").values
    ('EUR', 'USD')
    """

    @staticmethod
    def range(column: str, minimum: Bound | None = None, maximum: Bound | None = None, **more: Any) -> Range:
        return Range(column=column, minimum=minimum, maximum=maximum, **more)

    @staticmethod
    def one_of(column: str, values: Any, **more: Any) -> OneOf:
        return OneOf(column=column, values=values, **more)

    @staticmethod
    def matches(column: str, pattern: str, **more: Any) -> Matches:
        return Matches(column=column, pattern=pattern, **more)

    @staticmethod
    def json_schema(column: str, schema: dict[str, Any], **more: Any) -> JsonSchema:
        return JsonSchema(column=column, schema=schema, **more)

    @staticmethod
    def custom(column: str, name: str, **more: Any) -> Custom:
        return Custom(column=column, name=name, **more)

    @staticmethod
    def null_rate(column: str, most: float, **more: Any) -> NullRate:
        return NullRate(column=column, most=most, **more)

    @staticmethod
    def unique(column: str, *others: str, **more: Any) -> Unique:
        return Unique(column=column, others=others, **more)

    @staticmethod
    def fresh(column: str, within: str, **more: Any) -> Fresh:
        return Fresh(column=column, within=within, **more)


rule = _Rules()
