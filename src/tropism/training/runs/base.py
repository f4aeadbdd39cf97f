"""The contract of a place where a run is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Status = Literal["FINISHED", "FAILED", "KILLED"]


class RunStart(msgspec.Struct, frozen=True, kw_only=True):
    """A run that begins. `id`: 32 hexadecimal digits, the same wherever the run is written; `at` in µs."""

    id: str
    experiment: str
    name: str
    at: int
    tags: dict[str, str] = {}


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a metric. `at` in µs."""

    key: str
    value: float
    at: int
    step: int = 0


class Sink(ABC):
    """Takes one run, from `start` to `end`.

    Callers may rely on: a run that is started again with the same id goes on as one run where the place allows it
    (the store and MLflow do, TensorBoard begins its folder anew, W&B writes a second folder of one id); values
    written twice do no harm. Not safe from several threads at once.

    Raises (from each method):
        NotReady, NotWritable: the place cannot be reached or written.
    """

    @abstractmethod
    def start(self, run: RunStart) -> None: ...

    @abstractmethod
    def params(self, values: Mapping[str, str]) -> None: ...

    @abstractmethod
    def metrics(self, points: Sequence[Point]) -> None: ...

    @abstractmethod
    def tags(self, values: Mapping[str, str]) -> None: ...

    @abstractmethod
    def file(self, path: str, data: bytes) -> None:
        """Stores a file under a path with `/` within the run, in the place of one that is there."""

    @abstractmethod
    def end(self, status: Status, at: int) -> None: ...
