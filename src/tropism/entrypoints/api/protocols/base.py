"""What a protocol is given, and what it gives: a reply to each request on a path that is its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from tropism.core.clock import Clock
    from tropism.core.errors import TropismError
    from tropism.entrypoints.api.asgi import Headers, Reply
    from tropism.serving.predictions import Predictions
    from tropism.serving.settings import HttpSettings
    from tropism.serving.snapshot import SnapshotHolder


class Core(NamedTuple):
    """What every protocol shares. For one event loop."""

    predictions: Predictions
    holder: SnapshotHolder
    settings: HttpSettings
    clock: Clock


class Request(NamedTuple):
    """A request with its whole body, and when it was whole, by `perf_counter`. Header names are in lower case."""

    method: str
    path: str
    query: bytes
    headers: Headers
    body: bytes
    started: float | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first header of that lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


class Found(NamedTuple):
    """A path that is known: the methods it takes, and what answers it."""

    allowed: tuple[str, ...]
    answer: Callable[[Request], Awaitable[Reply]]


class ForeignProtocol(Protocol):
    """Answers the paths that are its own."""

    def find(self, method: str, path: str) -> Found | None:
        """What answers a path; None if it is not this protocol's."""
        ...

    def refusal(self, error: TropismError) -> Reply:
        """An error in this protocol's own form."""
        ...
