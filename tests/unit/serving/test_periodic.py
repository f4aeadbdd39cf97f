"""Work that is repeated in a thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tropism.serving.periodic import Periodic

if TYPE_CHECKING:
    import pytest


def test_it_goes_on_after_a_failure_and_does_the_last_thing_once(caplog: pytest.LogCaptureFixture) -> None:
    calls, thrice = list[str](), threading.Event()

    def work() -> None:
        calls.append(threading.current_thread().name)
        if len(calls) >= 3:
            thrice.set()
        raise ValueError("boom")

    periodic = Periodic("counting", 0.01, work, last=lambda: calls.append("last"))
    periodic.start()
    assert thrice.wait(5)
    periodic.close()
    periodic.close()
    assert calls[:3] == ["counting"] * 3 and calls.count("last") == 1 and calls[-1] == "last"
    assert "counting failed" in caplog.text


def test_what_was_never_started_is_closed_with_the_last_thing() -> None:
    calls: list[str] = []
    Periodic("counting", 60.0, lambda: calls.append("work"), last=lambda: calls.append("last")).close()
    assert calls == ["last"]
