"""The data plane as it runs: over the project's registry, on a socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from tropism.config import load_settings
from tropism.core.flag import Flag, FlagRule
from tropism.entrypoints.api.assembly import assembled
from tropism.entrypoints.api.server import free_ports
from tropism.wiring import Platform

PATH = "/ofrep/v1/evaluate/flags"


@contextmanager
def served(app: Any) -> Iterator[httpx.Client]:
    (port,) = free_ports(1)
    made = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    while not made.started:
        thread.join(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        yield http
    made.should_exit = True
    thread.join()


def until(http: httpx.Client, value: bool, seconds: float = 20.0) -> float:
    """How long it took until the flag came to the value."""
    began = time.perf_counter()
    while http.post(f"{PATH}/beta").json().get("value") is not value:
        assert time.perf_counter() < began + seconds
    return time.perf_counter() - began


def test_a_flag_that_is_changed_is_answered_anew_and_what_was_given_is_kept(project: Path, platform: Platform) -> None:
    flags = platform.registry.flags
    flags.put(Flag(key="beta", rules=(FlagRule(serve="on"),)), actor="ann", now=1)
    with assembled(load_settings(project, environment={})) as app, served(app) as http:
        assert until(http, True) < 1
        flags.kill("beta", True, actor="ann", now=2)
        assert until(http, False) < 5, "http.poll is 200 ms"
        etag = http.post(PATH).headers["etag"]
        same = http.post(PATH, headers={"if-none-match": etag})
        assert (same.status_code, same.content) == (304, b"")
    given = {one.variant: one.ever for one in flags.exposures.of("beta", now=platform.clock.now())}
    assert given["on"] >= 1
    assert given["off"] >= 1
