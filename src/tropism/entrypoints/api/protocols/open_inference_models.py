"""Tasks as models of the Open Inference Protocol: their versions, their metadata, and answers from them.

Shared by REST and gRPC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism import __version__
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, UnknownVersion
from tropism.entrypoints.api.protocols.open_inference_inputs import read_asks
from tropism.entrypoints.api.protocols.open_inference_outputs import (
    check_wanted,
    classes_of,
    outputs_of,
    write_outputs,
)
from tropism.serving.options import version_number
from tropism.serving.predictions import live
from tropism.serving.requests import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Task
    from tropism.entrypoints.api.protocols.base import Core
    from tropism.entrypoints.api.protocols.open_inference_outputs import Wanted
    from tropism.entrypoints.api.protocols.tensors import Tensor
    from tropism.serving.predictions import Scored
    from tropism.serving.snapshot import Deployment

SERVER = {"name": "tropism", "version": __version__, "extensions": ["binary_tensor_data", "classification"]}
"""The server's metadata."""
_INPUTS = {"number": "FP64", "category": "BYTES", "boolean": "BOOL"}
_MOST_WARNINGS = 10


class Inferred(NamedTuple):
    """An answer. `parameters`: the variant that answered and, where there are any, why it is degraded and warnings."""

    model: str
    version: str
    parameters: dict[str, str]
    outputs: list[Tensor]


class Models:
    """The tasks that are live. For one event loop."""

    def __init__(self, core: Core) -> None:
        self._core = core
        tolerance = parse_duration(core.settings.future_tolerance, "http.future_tolerance")
        self._limits = Limits(core.settings.max_rows, tolerance)

    def ready(self) -> None:
        """Returns if predictions are answered. Raises `NotReady` before."""
        live(self._core.holder)

    def find(self, name: str, version: str) -> tuple[Deployment, int | None]:
        """A task's deployment, and the version that is asked for; None, for an empty text, is what is live.

        A task answers, and so is ready, as soon as it is applied: before it has a model its baseline does.

        Raises:
            NotReady: no models are loaded yet.
            UnknownTask, UnknownVersion: there is none; lists those that there are.
        """
        deployment = live(self._core.holder).deployment(name)
        if not version:
            return deployment, None
        known = versions_of(deployment)
        if version not in known:
            fix = f"use one of: {', '.join(known)}" if known else "leave the version out; there is no model yet"
            raise UnknownVersion(f"'{name}' has no live version {version[:20]}", Fault("version", version[:20], fix))
        return deployment, int(version)

    def asked(self, name: str, version: str) -> tuple[Deployment, int | None]:
        """As `find`, but of any version, live or not; whether there is such a one is found out by asking it.

        Raises:
            NotReady: no models are loaded yet.
            UnknownTask, UnknownVersion: there is no such task, or the text is no version's number.
        """
        return live(self._core.holder).deployment(name), _number(name, version)

    def metadata(self, name: str, version: str) -> dict[str, Any]:
        """A task as the protocol describes a model. Raises what `find` raises."""
        deployment, _ = self.find(name, version)
        task = deployment.task
        return {
            "name": task.name,
            "versions": versions_of(deployment),
            "platform": "tropism",
            "inputs": [_tensor(one.name, _INPUTS[one.type], [-1]) for one in task.asked.features],
            "outputs": [_tensor(one, *described) for one, described in outputs_of(task).items()],
            "properties": _properties(task),
        }

    async def infer(
        self, name: str, version: str, tensors: Sequence[Tensor], asked: Sequence[Wanted], started: float | None = None
    ) -> Inferred:
        """Scores the rows of input tensors, and records them before it returns.

        `started`: when the request was whole, by `perf_counter`.

        Raises:
            UnknownTask, UnknownVersion, InvalidInput, TooLarge: the request cannot be used.
            NotReady, DiskFull: nothing was recorded; the caller may try again.
        """
        deployment, number = self.asked(name, version)
        check_wanted(deployment.task, asked)
        asks = read_asks(tensors, deployment, self._core.clock.now(), self._limits)
        scored = await self._core.predictions.score(deployment, asks, version=number, started=started)
        first = scored.events[0]
        outputs = write_outputs(deployment.task, scored.events, asked)
        return Inferred(deployment.task.name, str(first.version), _parameters(scored), outputs)


def _number(name: str, version: str) -> int | None:
    """The version that a text names; None for an empty one. Raises: UnknownVersion: it names none."""
    if not version:
        return None
    number = version_number(version)
    if number is None:
        fix = "use its number, such as 3, or leave it out for the one that is live"
        raise UnknownVersion(f"'{name}' has no version {version[:20]}", Fault("version", version[:20], fix))
    return number


def versions_of(deployment: Deployment) -> list[str]:
    """The versions that are live: the one that is served, and the one before. Others may be asked for too."""
    versions = [one.version for one in (deployment.served, deployment.previous) if one is not None]
    return [str(version) for version in dict.fromkeys(versions)]


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _properties(task: Task) -> dict[str, str]:
    found = {"kind": task.kind, "target": task.target}
    if classes_of(task):
        found["classes"] = msgspec.json.encode(classes_of(task)).decode()
    return found


def _parameters(scored: Scored) -> dict[str, str]:
    first = scored.events[0]
    found = {"variant": first.variant}
    if first.degraded:
        found["degraded"] = ", ".join(first.degraded)
    warnings = list(dict.fromkeys(note.text for notes in scored.notes for note in notes))
    if warnings:
        more = [f"and {len(warnings) - _MOST_WARNINGS} more"] if len(warnings) > _MOST_WARNINGS else []
        found["warnings"] = "; ".join([*warnings[:_MOST_WARNINGS], *more])
    return found
