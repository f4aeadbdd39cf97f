"""Workflows in the calling thread, remembered for the life of the process: for tests and one-off commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.loop.durable.base import Json, Workflow, Workflows, capture, release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Recorder:
    def __init__(self, record: dict[int, Json]) -> None:
        self._record = record
        self._next = 0

    def step(self, name: str, function: Callable[[], Json]) -> Json:  # noqa: ARG002 - the protocol names steps
        number, self._next = self._next, self._next + 1
        if number not in self._record:
            self._record[number] = msgspec.to_builtins(capture(function))
        return release(self._record[number])


class InlineWorkflows(Workflows):
    """Not durable beyond the process. A workflow cut short by an exception goes on from its last step."""

    def __init__(self, workflows: Mapping[str, Workflow]) -> None:
        self._workflows = workflows
        self._steps: dict[str, dict[int, Json]] = {}
        self._results: dict[str, Json] = {}

    def run(self, name: str, key: str, argument: Json) -> Json:
        if key not in self._results:
            recorder = _Recorder(self._steps.setdefault(key, {}))
            self._results[key] = capture(lambda: self._workflows[name](recorder, key, argument))
        return release(self._results[key])

    def forget(self, keep: int) -> None:
        for key in list(self._results)[: max(len(self._results) - keep, 0)]:
            del self._results[key], self._steps[key]

    def close(self) -> None:
        self._results.clear()
