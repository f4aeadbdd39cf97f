"""MLflow's scoring protocol: what `mlflow models serve` answers, over the same predictions.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tropism.core.errors import Fault, MalformedBody, TropismError
from tropism.entrypoints.api.asgi import JSON, Reply
from tropism.entrypoints.api.protocols.base import Found
from tropism.entrypoints.api.protocols.mlflow_scoring_errors import CSV_TYPE, JSON_TYPE, error_reply, media_type
from tropism.entrypoints.api.protocols.mlflow_scoring_forms import content_of, rows_of
from tropism.entrypoints.api.protocols.mlflow_scoring_params import with_params
from tropism.entrypoints.api.protocols.mlflow_scoring_rows import read_rows
from tropism.entrypoints.api.protocols.mlflow_scoring_tables import csv_rows, parquet_rows
from tropism.serving.predictions import Scored, live
from tropism.serving.scores import prediction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tropism.entrypoints.api.asgi import Headers
    from tropism.entrypoints.api.protocols.base import Core, Request
    from tropism.serving.requests import Ask
    from tropism.serving.snapshot import Deployment

PROTOCOL = "3.0.0"
"""The release of MLflow whose protocol is spoken, as `/version` tells it: from 3.4 on, clients take a server for one
that stores spans."""
_READ = ("GET", "HEAD")
_POST = ("POST",)
_SUFFIX = "/invocations"
_PREFIXES = ("/tasks/", "/models/")


class MlflowScoring:
    """Answers `/invocations`, `/ping`, `/health` and `/version`. For one event loop.

    Errors have MLflow's form. What is wrong with a request is a 400, also where MLflow fails with a 500.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def find(self, method: str, path: str) -> Found | None:
        """What answers a path; None if it is not this protocol's."""
        if path in ("/ping", "/health"):
            return _found(method, _READ, self._ping)
        if path == "/version":
            return _found(method, _READ, _version)
        if not path.endswith(_SUFFIX):
            return None
        if path == _SUFFIX:
            return _found(method, _POST, partial(self._invoke, None))
        for prefix in _PREFIXES:
            task = path[len(prefix) : -len(_SUFFIX)]
            if path.startswith(prefix) and task and "/" not in task:
                return _found(method, _POST, partial(self._invoke, task))
        return None

    def refusal(self, error: TropismError) -> Reply:
        """An error in the protocol's form, whoever met it."""
        return error_reply(error)

    async def _ping(self, _: Request) -> Reply:
        return Reply(200 if self._core.holder.current is not None else 404, b"\n")

    async def _invoke(self, task: str | None, request: Request) -> Reply:
        try:
            return await self._answer(task, request)
        except TropismError as error:
            return error_reply(error)

    async def _answer(self, task: str | None, request: Request) -> Reply:
        kind = media_type((request.header(b"content-type") or b"").decode("latin-1"))
        if isinstance(kind, Reply):
            return kind
        deployment = live(self._core.holder).deployment(self._task(task, request))
        if kind == JSON_TYPE:
            asks = self._read_json(request.body, deployment)
        else:
            asks = await asyncio.to_thread(self._read_table, kind, request.body, deployment)
        scored = Scored([], [])
        if asks:
            scored = await self._core.predictions.score(deployment, asks, started=request.started)
        content: dict[str, Any] = {"predictions": [prediction(deployment.task, one.scores) for one in scored.events]}
        if parse_qs(request.query.decode("latin-1")).get("ids") == ["true"]:
            content["prediction_ids"] = [one.id for one in scored.events]
        return Reply(200, json.dumps(content).encode(), [*JSON, *_headers(scored)])

    def _task(self, named: str | None, request: Request) -> str:
        """The task that the path names, or the query, or a header, or the only one."""
        if named is None:
            named = next(iter(parse_qs(request.query.decode("latin-1")).get("task", [])), None)
        if named is None:
            named = (request.header(b"tropism-task") or b"").decode("latin-1") or None
        if named is not None:
            return named
        tasks = sorted(live(self._core.holder).deployments)
        if len(tasks) == 1:
            return tasks[0]
        fix = f"post to /tasks/{{task}}/invocations, or add ?task= or the header tropism-task: {', '.join(tasks)}"
        if not tasks:
            fix = "declare one in project.py and run `tropism apply`"
        raise MalformedBody(f"which of {len(tasks)} tasks is meant is not said", Fault("task", "", fix))

    def _read_json(self, body: bytes, deployment: Deployment) -> list[Ask]:
        content = content_of(body)
        rows = rows_of(content, deployment.task.asked.feature_names, self._core.settings.max_rows)
        return with_params(read_rows(rows, deployment), content.get("params"))

    def _read_table(self, kind: str, body: bytes, deployment: Deployment) -> list[Ask]:
        names, settings = deployment.task.asked.feature_names, self._core.settings
        if kind == CSV_TYPE:
            return read_rows(csv_rows(body, names, settings.max_rows), deployment, cells=True)
        rows = parquet_rows(body, names, settings.max_rows, settings.max_body_bytes)
        return read_rows(rows, deployment)


def _found(method: str, allowed: tuple[str, ...], answer: Callable[[Request], Awaitable[Reply]]) -> Found:
    return Found(allowed, answer) if method in allowed else Found((method,), partial(_wrong_method, allowed))


async def _wrong_method(allowed: tuple[str, ...], _: Request) -> Reply:
    return Reply(405, b'{"detail":"Method Not Allowed"}', [*JSON, (b"allow", ", ".join(allowed).encode())])


async def _version(_: Request) -> Reply:
    return Reply(200, PROTOCOL.encode())


def _headers(scored: Scored) -> Headers:
    """What MLflow's reply has no place for: which version answered, and why something less than the champion did."""
    if not scored.events:
        return []
    first = scored.events[0]
    headers = [(b"tropism-version", str(first.version).encode())]
    if first.degraded:
        headers.append((b"tropism-degraded", ",".join(first.degraded).encode()))
    return headers
