"""Rows that can be scored, and the record of those that cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.errors import Fault

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tropism.core.errors import TropismError

_encode = msgspec.json.Encoder(enc_hook=str).encode


class Rows(NamedTuple):
    """Rows that can be scored. `numbers`: of each in the file. `beside`: what the result has beside its own columns.

    `refused`: the other rows as lines of JSON, `bad` of them.
    """

    table: pa.Table
    beside: pa.Table
    numbers: NDArray[np.int64]
    refused: bytes = b""
    bad: int = 0


def refused_line(row: int, error: TropismError, values: Any) -> bytes:
    """A row that cannot be scored, with why, as a line of JSON.

    >>> from tropism.core.errors import InvalidInput
    >>> refused_line(3, InvalidInput("too cold"), {"degrees": -300})
    b'{"row":3,"problem":"too cold","faults":[],"values":{"degrees":-300}}\\n'
    """
    faults = [Fault(one.field.partition(", ")[2] or one.field, one.value, one.fix) for one in error.faults]
    return _encode({"row": row, "problem": error.message, "faults": faults, "values": values}) + b"\n"
