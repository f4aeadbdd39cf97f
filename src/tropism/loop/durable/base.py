"""The port to a workflow engine.

What callers may rely on:

- A step whose result was recorded is never run again for the same key. A step that was cut short is run again,
  so a step runs **at least once**: what it writes must be idempotent.
- A durable engine waits, within a step, for what passes: a step that raises `DiskFull` or `NotReady` is tried again.
- Arguments and results are JSON values. A step that raises a `TropismError` raises the same error, with the same
  code, when it is replayed.
- `run` with a key that has ended gives the recorded result again without running anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from tropism.core import errors
from tropism.core.errors import Fault, TropismError

Json = Any


class Steps(Protocol):
    """Handed to a workflow to run its steps with."""

    def step(self, name: str, function: Callable[[], Json]) -> Json:
        """The result of `function`, from the record if it was recorded before."""
        ...


Workflow = Callable[[Steps, str, Json], Json]
"""Called with the steps, the key and the argument. Must do nothing outside steps but compute."""


class Workflows(ABC):
    """Runs the workflows that it was given by name."""

    @abstractmethod
    def run(self, name: str, key: str, argument: Json) -> Json:
        """Run a workflow to its end and give its result. Calls with one key from many threads share one run."""

    @abstractmethod
    def forget(self, keep: int) -> None:
        """Drop the records of ended workflows except the newest `keep`."""

    @abstractmethod
    def close(self) -> None:
        """Stop. Workflows that have not ended go on at the next start."""


class _Outcome(msgspec.Struct, omit_defaults=True):
    value: Json = None
    code: str = ""
    message: str = ""
    faults: list[Fault] = []


def capture(function: Callable[[], Json]) -> Json:
    """A function's result or its `TropismError`, as a JSON value.

    >>> release(capture(lambda: 4))
    4
    """
    try:
        return msgspec.to_builtins(_Outcome(value=function()))
    except TropismError as error:
        return msgspec.to_builtins(_Outcome(code=error.code, message=error.message, faults=list(error.faults)))


def release(captured: Json) -> Json:
    """The result that was captured; an error that was captured is raised."""
    outcome = msgspec.convert(captured, _Outcome)
    if outcome.code:
        kinds = {
            kind.code: kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, TropismError)
        }
        raise kinds.get(outcome.code, TropismError)(outcome.message, *outcome.faults)
    return outcome.value
