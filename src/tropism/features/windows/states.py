"""Partial aggregates of a tile: they take events one by one, merge in any order, and pack into few bytes.

Sums are kept exactly, as whole numbers times a power of two, so that a value is the same to the last bit however the
events were ordered and grouped. Every state is a function of the set of its events alone, and so are its bytes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tropism.features.windows.rounding import deviation
from tropism.features.windows.sketch import estimate, hashed, merged, sketched
from tropism.features.windows.values import canonical, rounded, unit, whole

if TYPE_CHECKING:
    from tropism.features.aggregations import Aggregation
    from tropism.features.types import Dtype

    Order = tuple[int, int, int]

EXACT = 256
"""So many different values are counted exactly; above, they are estimated."""


class State(ABC):
    """An aggregate of some events. Values are as `values.inner` gives them, nulls left out by the caller."""

    __slots__ = ()

    @abstractmethod
    def add(self, value: Any, order: Order, /) -> None:
        """`order`: the event's timestamp, when it was known, and its position."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Takes another's events in. The other one is left as it was."""

    @abstractmethod
    def value(self, aggregation: Aggregation, kind: Dtype, /) -> Any:
        """The aggregate, as `values.inner` has it; `kind`: of the column. Raises `DataInvalid` if it is too large."""

    @abstractmethod
    def packed(self) -> Any:
        """What msgpack can write."""

    @classmethod
    @abstractmethod
    def unpacked(cls, packed: Any) -> Self:
        """A state from what `packed` gave."""

    def absorb(self, packed: Any) -> None:
        """Merges what another's `packed` gave. Those of which a read takes many do it without making a state."""
        self.merge(self.unpacked(packed))

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self.packed())

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        return cls.unpacked(msgspec.msgpack.decode(packed))


class Count(State):
    """Number of events."""

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def add(self, _value: Any, _order: Order) -> None:
        self.count += 1

    def merge(self, other: Self) -> None:
        self.count += other.count

    def absorb(self, packed: Any) -> None:
        self.count += packed

    def value(self, _aggregation: Aggregation, _kind: Dtype) -> int:
        return self.count

    def packed(self) -> int:
        return self.count

    @classmethod
    def unpacked(cls, packed: Any) -> Self:
        return cls(packed)


class Sum(State):
    """Sum of numbers, as total * 2**exponent, and of squares, as squares * 4**exponent, if `squared`.

    Infinite numbers are only noted: `far` has bit 1 for inf and bit 2 for -inf. With both, the sum is null.
    """

    __slots__ = ("count", "exponent", "far", "squares", "total")
    squared = False

    def __init__(self, count: int = 0, total: int = 0, exponent: int = 0, far: int = 0, squares: int = 0) -> None:
        self.count, self.total, self.exponent, self.far, self.squares = count, total, exponent, far, squares

    def add(self, value: Any, _order: Order) -> None:
        self.count += 1
        if type(value) is float:
            if math.isinf(value):
                self.far |= 1 if value > 0 else 2
                return
            value, below = value.as_integer_ratio()
            exponent = 1 - below.bit_length()
            if exponent < self.exponent:
                self._scale(exponent)
            value <<= exponent - self.exponent
        self.total += value
        if self.squared:
            self.squares += value * value

    def merge(self, other: Self) -> None:
        self._join(other.count, other.total, other.exponent, other.far, other.squares)

    def absorb(self, packed: Any) -> None:
        self._join(*packed)

    def _join(self, count: int, total: Any, exponent: int, far: int, squares: Any = 0) -> None:
        if type(total) is bytes:
            total = _long(total)
        if type(squares) is bytes:
            squares = _long(squares)
        if exponent < self.exponent:
            self._scale(exponent)
        elif exponent > self.exponent:
            total <<= exponent - self.exponent
            squares <<= 2 * (exponent - self.exponent)
        self.count += count
        self.total += total
        self.squares += squares
        self.far |= far

    def _scale(self, exponent: int) -> None:
        self.total <<= self.exponent - exponent
        self.squares <<= 2 * (self.exponent - exponent)
        self.exponent = exponent

    def value(self, aggregation: Aggregation, kind: Dtype) -> Any:
        if self.far:
            return far_value(aggregation.function, self.far)
        if not self.count:
            return None
        if aggregation.function == "mean":
            return rounded(self.total, self.exponent, self.count * unit(kind))
        if kind.kind == "number":
            return rounded(self.total, self.exponent)
        return whole(aggregation, kind, self.total)

    def packed(self) -> Any:
        return (self.count, _short(self.total), self.exponent, self.far)

    @classmethod
    def unpacked(cls, packed: Any) -> Self:
        count, total, exponent, far = packed
        return cls(count, _long(total), exponent, far)


class Moments(Sum):
    """Sums of numbers and of their squares."""

    __slots__ = ()
    squared = True

    def value(self, _aggregation: Aggregation, kind: Dtype) -> float | None:
        if self.far:
            return None
        return deviation(self.count, self.total, self.squares, unit(kind) << -self.exponent)

    def packed(self) -> Any:
        return (self.count, _short(self.total), self.exponent, self.far, _short(self.squares))

    @classmethod
    def unpacked(cls, packed: Any) -> Self:
        count, total, exponent, far, squares = packed
        return cls(count, _long(total), exponent, far, _long(squares))


class _Extreme(State):
    __slots__ = ("best",)

    def __init__(self, best: Any = None) -> None:
        self.best = best

    def merge(self, other: Self) -> None:
        if other.best is not None:
            self.add(other.best, (0, 0, 0))

    def absorb(self, packed: Any) -> None:
        if packed is not None:
            self.add(_long(packed), (0, 0, 0))

    def value(self, _aggregation: Aggregation, _kind: Dtype) -> Any:
        return self.best

    def packed(self) -> Any:
        return _short(self.best)

    @classmethod
    def unpacked(cls, packed: Any) -> Self:
        return cls(_long(packed))


class Min(_Extreme):
    """The smallest value."""

    __slots__ = ()

    def add(self, value: Any, _order: Order) -> None:
        if self.best is None or value < self.best:
            self.best = value


class Max(_Extreme):
    """The largest value."""

    __slots__ = ()

    def add(self, value: Any, _order: Order) -> None:
        if self.best is None or value > self.best:
            self.best = value


class Last(State):
    """The value of the latest event: by timestamp, then by when it was known, then by position."""

    __slots__ = ("latest", "order")

    def __init__(self, order: Order | None = None, latest: Any = None) -> None:
        self.order, self.latest = order, latest

    def add(self, value: Any, order: Order) -> None:
        if self.order is None or order > self.order:
            self.order, self.latest = order, value

    def merge(self, other: Self) -> None:
        if other.order is not None:
            self.add(other.latest, other.order)

    def absorb(self, packed: Any) -> None:
        if packed is not None:
            self.add(_long(packed[3]), tuple(packed[:3]))

    def value(self, _aggregation: Aggregation, _kind: Dtype) -> Any:
        return self.latest

    def packed(self) -> Any:
        return None if self.order is None else (*self.order, _short(self.latest))

    @classmethod
    def unpacked(cls, packed: Any) -> Self:
        return cls() if packed is None else cls(tuple(packed[:3]), _long(packed[3]))


class Distinct(State):
    """How many different values: a set of their hashes, or a sketch once there are more than `EXACT`.

    Which of both depends on the set of values alone. 64 bits of hash confuse two of 256 values once in 10**14 sets.
    `add` takes the bytes of `values.canonical`.
    """

    __slots__ = ("hashes", "registers")

    def __init__(self, hashes: set[int] | None = None, registers: bytearray | None = None) -> None:
        self.hashes, self.registers = hashes or set(), registers

    def add(self, value: Any, _order: Order) -> None:
        self.hashes.add(hashed(value))
        self._settle()

    def merge(self, other: Self) -> None:
        self.hashes |= other.hashes
        if other.registers is not None:
            mine = self.registers
            self.registers = bytearray(other.registers) if mine is None else merged(mine, other.registers)
        self._settle()

    def absorb(self, packed: Any) -> None:
        if isinstance(packed, bytes):
            self.merge(self.unpacked(packed))
        else:  # of many tiles: `value` settles it once
            self.hashes.update(packed)

    def _settle(self) -> None:
        if self.registers is not None or len(self.hashes) > EXACT:
            self.registers = sketched(self.hashes, self.registers)
            self.hashes = set()

    def value(self, _aggregation: Aggregation, _kind: Dtype) -> int:
        self._settle()
        return len(self.hashes) if self.registers is None else estimate(self.registers)

    def packed(self) -> Any:
        self._settle()
        return sorted(self.hashes) if self.registers is None else bytes(self.registers)

    @classmethod
    def unpacked(cls, packed: Any) -> Self:
        return cls(None, bytearray(packed)) if isinstance(packed, bytes) else cls(set(packed))


STATES: dict[str, type[State]] = {
    "count": Count,
    "sum": Sum,
    "mean": Sum,
    "std": Moments,
    "min": Min,
    "max": Max,
    "last": Last,
    "distinct": Distinct,
}


def stored(state: type[State], kind: Dtype, value: Any) -> Any:
    """What a state takes for a value that is not null."""
    return canonical(kind, value) if state is Distinct else value


def far_value(function: str, far: int) -> float | None:
    """Sum, mean or std of numbers with infinite ones among them; null where it has no value."""
    return None if function == "std" or far == 3 else math.inf if far == 1 else -math.inf


def _short(value: Any) -> Any:
    """msgpack has no whole numbers of more than 64 bits: they become bytes."""
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return value


def _long(value: Any) -> Any:
    return int.from_bytes(value, "little", signed=True) if type(value) is bytes else value
