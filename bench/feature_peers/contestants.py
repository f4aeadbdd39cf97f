"""The processes that are measured, and what is asked of them."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
QUIET = {"FEAST_USAGE": "False", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}


class Failed(Exception):
    """A worker did not answer; the message says what it wrote last."""


class Worker:
    """One process; `ask` sends it a request, with `base` in each."""

    def __init__(self, command: list[Path], base: dict[str, Any], log: Path) -> None:
        self._base, self._log = base, log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **QUIET},
            )

    def ask(self, patience: float, **request: Any) -> dict[str, Any]:
        """Raises `Failed` when there is no answer within `patience` seconds, or the process ends."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({**self._base, **request}) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], patience)[0]:
            raise Failed(f"no answer within {patience:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise Failed(f"it ended with {code}: {self._log.read_text(errors='replace')[-500:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


class Contestant(NamedTuple):
    """A feature store: how its worker is started, and what is in every request."""

    name: str
    command: list[Path]
    base: dict[str, Any]
    work: Path

    @contextmanager
    def process(self) -> Iterator[Worker]:
        """A fresh process."""
        worker = Worker(self.command, self.base, self.work / f"{self.name}.log")
        try:
            yield worker
        finally:
            worker.stop()

    def ask(self, patience: float, **request: Any) -> dict[str, Any]:
        """What a fresh process answers to one request. Raises `Failed`."""
        with self.process() as worker:
            return worker.ask(patience, **request)
