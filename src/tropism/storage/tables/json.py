"""JSON in a text column: portable, and read back as plain Python values."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Text
from sqlalchemy.types import TypeDecorator


def encode(value: Any) -> str:
    """JSON text. NaN and infinities become null; NumPy numbers and arrays become numbers and lists.

    >>> encode({"loss": float("nan"), "n": 3})
    '{"loss":null,"n":3}'
    """
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


class JSONText(TypeDecorator[Any]):
    """A value kept as JSON text; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:  # noqa: ARG002
        return None if value is None else encode(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002
        return None if value is None else msgspec.json.decode(value)
