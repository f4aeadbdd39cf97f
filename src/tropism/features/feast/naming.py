"""Feast's names, types and times in ours."""

from __future__ import annotations

import re

import msgspec

from tropism.core.durations import format_duration
from tropism.features.names import MOST
from tropism.features.types import MOST_DIMENSIONS

_TYPES = {
    "Int32": "integer",
    "Int64": "integer",
    "Float32": "number",
    "Float64": "number",
    "String": "text",
    "Bool": "boolean",
    "UnixTimestamp": "time",
}
_ALMOST = {
    "Array(Float32)": "say its length: Vector(n)",
    "Array(Float64)": "make it Array(Float32) and say its length: Vector(n)",
    "Decimal": "say its places: Decimal(n)",
}
KEY_TYPES = frozenset(("UNKNOWN", "STRING", "INT32", "INT64", "String", "Int32", "Int64"))
# 285 years: up to there a duration is exact, and longer ones are as good as ever.
_MOST_TTL = 2**53


class Remark(msgspec.Struct, frozen=True):
    """Something of a repository, such as `profile:photo`, and why it is not taken over, or how it changed."""

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


class Declared(msgspec.Struct, frozen=True):
    """What is declared of a feature in Feast: its name here, its type, and how long it counts (µs, None for ever)."""

    name: str
    type: str
    ttl: int | None = None


def type_of(feast: str, length: int) -> str | None:
    """Our type for one of Feast's; None where there is none that keeps its values.

    >>> type_of("Int32", 0), type_of("Array(Float32)", 3), type_of("Map", 0)
    ('integer', 'vector(3)', None)
    """
    if feast == "Array(Float32)" and 1 <= length <= MOST_DIMENSIONS:
        return f"vector({length})"
    return _TYPES.get(feast)


def why_not(feast: str) -> str:
    """What to do about a type that has none of ours."""
    return f"its type {feast} is not taken over; {_ALMOST.get(feast, 'make columns of it that are of plain types')}"


def name_of(feast: str) -> str:
    """A name as ours may be: small letters, digits and `_`; the same for names that already are.

    >>> name_of("Pair_View"), name_of("conv-rate 7d")
    ('pair_view', 'conv_rate_7d')
    """
    return re.sub(r"[^a-z0-9_]", "_", feast.lower())[:MOST] or "_"


def ttl_of(microseconds: int) -> str | None:
    """As our durations are written, exactly; None for ever, as Feast's 0 is, and for what is as good as ever.

    >>> ttl_of(36 * 3_600_000_000), ttl_of(1_500), ttl_of(0)
    ('36h', '1.5ms', None)
    """
    return format_duration(microseconds) if 0 < microseconds < _MOST_TTL else None
