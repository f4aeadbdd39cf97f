"""What every format of tables has: a way in, with limits, and a way out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from tropism.core.errors import Fault, InvalidInput, MalformedBody, TooLarge

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.core.task import Task


class Limits(NamedTuple):
    """`rows`: most rows. `size`: most bytes after decompression. `latest`: µs, the last moment a row may be for."""

    rows: int
    size: int
    latest: int


class Codec(ABC):
    """A format of request and reply bodies. Stateless; safe in any thread."""

    media_types: ClassVar[tuple[str, ...]]
    """The first is the format's own name; the others mean the same."""

    @abstractmethod
    def decode(self, body: bytes, task: Task, limits: Limits) -> pa.Table:
        """The rows of a body, checked: a column a feature of the task (float64, string or bool; null is a missing
        value), then those of `entity`, `unit`, `at` (timestamp in µs, UTC) and `prediction_id` that were sent.

        `columns.default_rows` tells where a column holds its feature's default because nothing was sent.

        Raises:
            MalformedBody: the bytes are not of this format, or cut off.
            TooLarge: more rows, or more bytes after decompression, than the limits allow.
            MissingFeature, UnknownFeature, InvalidInput: names columns and rows; rows count from 1.
        """

    @abstractmethod
    def encode(self, table: pa.Table) -> bytes:
        """A table of plain columns as a body."""


def within(rows: int, limits: Limits) -> None:
    """Raises unless there is at least one row, and not more than the limit."""
    if rows == 0:
        raise InvalidInput("the body has no rows", Fault("body", "0 rows", "send at least one row"))
    if rows > limits.rows:
        fix = f"predict in batches of at most {limits.rows} (max_rows)"
        raise TooLarge(f"{rows} rows are too many for one request", Fault("body", f"{rows} rows", fix))


def oversized(size: int, limits: Limits) -> TooLarge:
    """The error for a body that would grow too much."""
    fix = f"send at most {limits.size} bytes, counted without compression; predict in batches"
    return TooLarge("the body is too large, counted without compression", Fault("body", f"{size} bytes", fix))


def malformed(what: str, reason: object, fix: str) -> MalformedBody:
    """The error for bytes that are not what they are called."""
    said = str(reason).strip().partition("\n")[0][:200]
    return MalformedBody(f"the body is not {what}", Fault("body", said, fix))
