"""Files of runs, through the server: MLflow's artifacts proxy."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from tropism.core.errors import Fault, TooLarge, TropismError
from tropism.entrypoints.api.mlflow.calls import Call, OneRun, Text, context
from tropism.entrypoints.api.mlflow.errors import DISABLED, refusal_of, refuse
from tropism.registry.tracking.checks import invalid, require_path
from tropism.registry.tracking.experiments import ARTIFACTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from tropism.entrypoints.api.mlflow.calls import Context
    from tropism.registry.tracking.files import File
    from tropism.storage.blobs import Incoming

_PIECE = 1 << 20
"""Bytes of a file that are in memory at once."""
_GONE = 499
_HEADERS = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
# MLflow's clients look for these words, and send the file whole instead.
_WHOLE = "Multipart upload is not supported for the current artifact repository: send the file whole, by PUT"


class ListArtifacts(OneRun, kw_only=True):
    path: Text = ""


def _of_run(at: Context, sent: ListArtifacts) -> dict[str, Any]:
    """Files under a run's folder; their paths begin there."""
    root = at.tracking.runs.get(sent.run).info.artifact_uri
    if not root.startswith(ARTIFACTS):
        raise invalid("run_id", sent.run, f"look there yourself: the run's files are at {root}")
    folder = require_path(sent.path)
    base = root.removeprefix(ARTIFACTS).strip("/")
    found = at.tracking.files.list(f"{base}/{folder}" if folder else base)
    return {"root_uri": root, "files": [_shown(one, f"{folder}/" if folder else "") for one in found]}


async def list_files(request: Request) -> Response:
    """What a folder holds; paths are names in it."""
    return await _answered(_list(request))


async def _list(request: Request) -> Response:
    path = request.query_params.get("path", "")
    found = await run_in_threadpool(context(request).tracking.files.list, path)
    return _json({"files": [_shown(one, "") for one in found]})


async def file(request: Request) -> Response:
    """Stores, sends or removes a file; removes a folder with all in it."""
    work = {"PUT": _put, "GET": _get, "HEAD": _get, "DELETE": _delete}[request.method]
    return await _answered(work(request))


async def refuse_parts(_: Request) -> Response:
    """Says that a file is to be sent, or fetched, whole."""
    return refuse(DISABLED, _WHOLE)


async def _put(request: Request) -> Response:
    at, path = context(request), request.path_params["path"]
    files, most = at.tracking.files, request.app.state.platform.settings.http.max_artifact_bytes
    incoming = await run_in_threadpool(files.receive, path)  # before the body, which may be long
    try:
        await _take_in(request, incoming, most)
        await run_in_threadpool(files.keep, path, incoming, at.now)
    except ClientDisconnect:
        return Response(status_code=_GONE)  # nobody is there to read it
    finally:
        await run_in_threadpool(incoming.close)
    return _json({})


async def _take_in(request: Request, incoming: Incoming, most: int) -> None:
    """Writes a body as it comes. Raises: TooLarge: it has more than `most` bytes; DiskFull, NotWritable."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if incoming.size + len(waiting) > most:
            fix = f"send {most} bytes at most (http.max_artifact_bytes)"
            raise TooLarge("the file is too large", Fault("body", f"over {most} bytes", fix))
        if len(waiting) >= _PIECE:
            await run_in_threadpool(incoming.write, waiting)
            waiting = bytearray()
    if waiting:
        await run_in_threadpool(incoming.write, waiting)


async def _get(request: Request) -> Response:
    file = await run_in_threadpool(context(request).tracking.files.open, request.path_params["path"])
    headers = {**_HEADERS, "content-length": str(os.fstat(file.fileno()).st_size)}
    if request.method == "HEAD":
        file.close()
        return Response(headers=headers, media_type="application/octet-stream")
    return StreamingResponse(_pieces(file), media_type="application/octet-stream", headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


async def _delete(request: Request) -> Response:
    await run_in_threadpool(context(request).tracking.files.delete, request.path_params["path"])
    return _json({})


async def _answered(work: Any) -> Response:
    try:
        response: Response = await work
    except TropismError as error:
        return refuse(refusal_of(error), str(error))
    return response


def _shown(one: File, folder: str) -> dict[str, Any]:
    size = {} if one.folder else {"file_size": one.size}
    return {"path": f"{folder}{one.name}", "is_dir": one.folder, **size}


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


CALLS = (Call("GET", "artifacts/list", ListArtifacts, _of_run),)
