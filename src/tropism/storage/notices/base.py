"""The contract of every way to send notices."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Notices(ABC):
    """A bell that every process of a project hears. Members are registered under the entry-point group
    `tropism.notices` by the scheme of their URL, built as `member(url)`.

    A caller may rely on this: building opens no connection; `publish` may be called from any thread, `heard` and
    `close` from one. A notice says that something changed, not what. It reaches those who listen at that moment,
    and nothing promises that it arrives: whoever must not miss a change looks now and then as well. Raises
    `NotReady` when the server does not answer.
    """

    @abstractmethod
    def listen(self) -> None:
        """Connect, and hear every notice from now on. Listening again leaves the former connection."""

    @abstractmethod
    def heard(self, seconds: float) -> bool:
        """Wait for notices, at most `seconds`; whether there were any. One wait takes all that have come."""

    @abstractmethod
    def publish(self) -> None:
        """Send a notice to everybody who listens."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. Closing twice is fine."""
