"""What goes to whoever scores, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core import errors
from tropism.core.errors import Fault, TropismError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Ragged(msgspec.Struct, frozen=True):
    """A CSV row with too few or too many cells. `row`: its number in the file, from 1."""

    row: int
    cells: int
    expected: int
    text: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive rows of a file. `first`: the number of the first, from 1. `rows`: how many are in `data`.

    `data`: an Arrow IPC stream, or lines of JSON. `ragged`: rows that stand among these and could not be read.
    `share`: of the whole file, 0 to 1.
    """

    index: int
    first: int
    rows: int
    data: memoryview
    share: float
    ragged: tuple[Ragged, ...] = ()

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The number of each row in `data`, from 1."""
        every = np.arange(self.first, self.last + 1)
        if not self.ragged:
            return every
        return np.delete(every, np.array([one.row for one in self.ragged]) - self.first)[: self.rows]

    @property
    def last(self) -> int:
        """The number of the last row."""
        return self.first + self.rows + len(self.ragged) - 1


class Problem(msgspec.Struct, frozen=True):
    """An error on its way from one process to another."""

    code: str
    message: str
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, error: TropismError) -> Problem:
        return cls(error.code, error.message, tuple(error.faults))

    def error(self) -> TropismError:
        kind = next((one for one in _tree(TropismError) if one.code == self.code), TropismError)
        return kind(self.message, *self.faults)


class ScoredPart(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a part.

    `rows`: scored. `bad`: left out. `output`: the results in the format of parts. `refused`: the rows left out, as
    lines of JSON. `records`: for the journal. `notes`: how often each note was made. `problem`: why the part could
    not be scored; the rest is empty then.
    """

    index: int
    first: int
    last: int
    share: float
    rows: int = 0
    bad: int = 0
    output: bytes = b""
    refused: bytes = b""
    records: tuple[bytes, ...] = ()
    notes: dict[str, int] = {}
    problem: Problem | None = None

    @classmethod
    def failed(cls, part: Part, error: TropismError) -> ScoredPart:
        return cls(index=part.index, first=part.first, last=part.last, share=part.share, problem=Problem.of(error))


def _tree(kind: type[TropismError]) -> Iterator[type[TropismError]]:
    """Every error of `core.errors`, the narrowest first."""
    for narrower in kind.__subclasses__():
        if narrower.__module__ == errors.__name__:
            yield from _tree(narrower)
    yield kind
