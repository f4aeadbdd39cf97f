"""Predictions for tables: CSV, JSON lines, Parquet and Arrow bodies to the path that takes JSON too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InputError, InvalidInput
from tropism.entrypoints.api.asgi import JSON, Reply, problem_reply
from tropism.entrypoints.api.protocols.batches_types import JSON_TYPE, acceptable, kind_of, names_of
from tropism.entrypoints.api.protocols.open_inference_compression import decompressed
from tropism.serving.options import predict_options
from tropism.serving.replies import Replies, reply_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.entrypoints.api.protocols.base import Core, Request
    from tropism.serving.predictions import Scored
    from tropism.serving.requests import Ask
    from tropism.serving.snapshot import Deployment
    from tropism.serving.tabular.base import Codec


async def answer_batch(core: Core, deployment: Deployment, request: Request) -> Reply:
    """Scores the rows of a table, and records them; the reply is a table of as many rows, in the same order.

    It has the media type of the request, or the one that `accept` prefers; JSON is one of them. Rows mean what they
    mean as JSON: the same checks, defaults and notes. Reading and writing the table do not hold up other requests.

    Raises:
        MalformedBody, TooLarge, MissingFeature, UnknownFeature, InvalidInput: names columns and rows.
        NotReady, DiskFull: nothing was recorded.
    """
    options = predict_options(request.query)
    if options.explain:
        fault = Fault("explain", "true", "send the rows as JSON, or leave it out")
        raise InvalidInput("tables have no room for explanations", fault)
    kinds = await asyncio.to_thread(_kinds)
    kind = kind_of((request.header(b"content-type") or b"").decode("latin-1"))
    if kind not in kinds:
        return _unsupported(415, "content-type", kind, names_of(kinds))
    wanted = acceptable((request.header(b"accept") or b"").decode("latin-1"), kind, kinds)
    if wanted is None:
        accepted = (request.header(b"accept") or b"").decode("latin-1")
        return _unsupported(406, "accept", accepted, [*names_of(kinds), JSON_TYPE])
    body = decompressed(request.body, request.header(b"content-encoding"), core.settings.max_body_bytes)
    asks = await asyncio.to_thread(_read, core, deployment, kind, body)
    scored = await core.predictions.score(deployment, asks, version=options.version, started=request.started)
    if wanted == JSON_TYPE:
        rows = zip(scored.events, scored.notes, strict=True)
        return Reply(200, msgspec.json.encode(Replies([reply_of(deployment.task, *row) for row in rows])), JSON)
    written = await asyncio.to_thread(_written, deployment, scored, wanted)
    charset = b"; charset=utf-8" if wanted.startswith("text/") else b""
    return Reply(200, written, [(b"content-type", wanted.encode() + charset)])


def is_batch(content_type: bytes | None) -> bool:
    """Whether a body of this content type is for `answer_batch`: it is not JSON, nor called what tools call JSON.

    >>> is_batch(b"text/csv"), is_batch(b"application/x-www-form-urlencoded"), is_batch(None)
    (True, False, False)
    """
    if content_type is None or content_type == b"application/json":
        return False
    kind = kind_of(content_type.decode("latin-1"))
    return kind not in _TAKEN_FOR_JSON and not (kind.startswith("application/") and kind.endswith("+json"))


_TAKEN_FOR_JSON = ("", JSON_TYPE, "text/json", "text/plain", "application/x-www-form-urlencoded")
"""`curl -d` calls every body a form; a browser's `fetch` calls it plain text."""


def _kinds() -> dict[str, Codec]:
    """In a thread: the first request for a table imports what reads tables."""
    from tropism.serving.tabular import MEDIA_TYPES

    return MEDIA_TYPES


def _read(core: Core, deployment: Deployment, kind: str, body: bytes) -> list[Ask]:
    from tropism.serving.tabular import Limits, asks, decode

    settings = core.settings
    latest = core.clock.now() + parse_duration(settings.future_tolerance, "http.future_tolerance")
    limits = Limits(settings.max_rows, settings.max_body_bytes, latest)
    task = deployment.task.asked
    return asks(decode(body, kind, task, limits), task)


def _written(deployment: Deployment, scored: Scored, kind: str) -> bytes:
    from tropism.serving.tabular import encode

    return encode(_table(deployment, scored), kind)


def _table(deployment: Deployment, scored: Scored) -> pa.Table:
    import pyarrow as pa

    from tropism.serving.tabular import result_table

    events = scored.events
    scores = np.array([event.scores for event in events], np.float64)
    table = result_table(
        deployment.task,
        scores,
        version=events[0].version,
        variant=events[0].variant,
        degraded=events[0].degraded,
        ids=[event.id for event in events],
    )
    warnings = ["; ".join(note.text for note in notes) for notes in scored.notes]
    return table.append_column("warnings", pa.array(warnings, pa.string()))


def _unsupported(status: int, header: str, value: str, known: list[str]) -> Reply:
    fault = Fault(header, value[:80], f"use one of: {', '.join(known)}")
    return problem_reply(InputError("tables are not read or written in this format", fault), status)
