"""Single values, from Python to what a packed row holds and back."""

from __future__ import annotations

import datetime
import decimal
import math
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.features.types import Dtype

_START = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_MOST = 10**38
_ZEROS: dict[str, Any] = {"number": 0.0, "integer": 0, "time": 0, "boolean": False, "text": b""}


def zero(dtype: Dtype) -> Any:
    """What stands in the place of a missing value."""
    if dtype.kind in _ZEROS:
        return _ZEROS[dtype.kind]
    return bytes(16 if dtype.kind == "decimal" else 4 * dtype.size)


def missing(value: object) -> bool:
    """Whether a value is none: None, and a number that is not one."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def encoder(dtype: Dtype) -> Callable[[Any], Any]:
    """Turns a value that `Dtype.fits` into what the row holds. It raises `ValueError` or `OverflowError` for one that
    has no place there."""
    if dtype.kind == "decimal":
        return lambda value: _scaled(value, dtype.scale)
    if dtype.kind == "vector":
        floats = struct.Struct(f"<{dtype.size}f")
        return lambda value: floats.pack(*value)
    plain: dict[str, Callable[[Any], Any]] = {
        "number": float,
        "integer": _whole,
        "boolean": bool,
        "time": _micros,
        "text": lambda value: value.encode(),
    }
    return plain[dtype.kind]


def decoder(dtype: Dtype) -> Callable[[Any], Any] | None:
    """The way back; None where the row holds the value itself. It raises `ValueError` for bytes that are none."""
    if dtype.kind == "decimal":
        return lambda found: _unscaled(found, dtype.scale)
    if dtype.kind == "vector":
        floats = struct.Struct(f"<{dtype.size}f")
        return lambda found: list(floats.unpack(found))
    plain: dict[str, Callable[[Any], Any]] = {
        "time": lambda found: _START + found * _MICROSECOND,
        "text": lambda found: found.decode(),
    }
    return plain.get(dtype.kind)


def _whole(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise OverflowError("out of 64 bits")
    return value


def _micros(value: datetime.datetime) -> int:
    aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    return (aware - _START) // _MICROSECOND


def _scaled(value: float | decimal.Decimal, scale: int) -> bytes:
    exact = decimal.Decimal(str(value))
    if not exact.is_finite():
        raise ValueError("not finite")
    with decimal.localcontext() as context:
        context.prec = 400
        shifted = exact.scaleb(scale)
        if abs(shifted) >= _MOST or shifted != shifted.to_integral_value():
            raise OverflowError(f"more than 38 digits, or more than {scale} places")
        return int(shifted).to_bytes(16, "little", signed=True)


def _unscaled(found: bytes, scale: int) -> decimal.Decimal:
    whole = int.from_bytes(found, "little", signed=True)
    return decimal.Decimal((whole < 0, tuple(map(int, str(abs(whole)))), -scale))
