"""Files on their way to the control plane and back, a piece at a time: none is ever whole in memory."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, MalformedBody, Overloaded, TooLarge, TropismError
from tropism.entrypoints.api.asgi import end_reply, header, send_reply
from tropism.entrypoints.api.bodies import discard
from tropism.entrypoints.api.deadlines import deadline
from tropism.entrypoints.api.forwarding import reply_headers
from tropism.entrypoints.api.problems import internal, status_of
from tropism.entrypoints.api.protocols.mlflow_scoring_errors import error_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from tropism.entrypoints.api.asgi import Receive, Reply, Scope, Send
    from tropism.entrypoints.api.forwarding import Forwarder
    from tropism.serving.meters import Meters
    from tropism.serving.settings import HttpSettings

_log = logging.getLogger(__name__)
_PREFIXES = ("/api/2.0/mlflow-artifacts/artifacts/", "/api/3.0/mlflow-artifacts/artifacts/")
_MOST = 50
"""Files on their way at once. Each has a connection to the control plane, which other requests need too."""
_PATIENCE = 60.0
"""Seconds in which a piece of a file must be taken."""


class Transfers:
    """Passes requests for files of MLflow's artifacts proxy on to the control plane. For one event loop.

    `admit` raises what refuses a request before it is looked at; `failed` is told of replies that are errors.
    Refusals have MLflow's form, with the status that they have everywhere.
    """

    def __init__(
        self,
        forwarder: Forwarder,
        settings: HttpSettings,
        meters: Meters,
        admit: Callable[[Scope], None],
        failed: Callable[[Reply], None],
    ) -> None:
        self._forwarder = forwarder
        self._most = settings.max_artifact_bytes
        self._seconds = parse_duration(settings.body_timeout, "http.body_timeout") / SECOND
        self._meters = meters
        self._admit = admit
        self._failed = failed
        self._under_way = 0

    def matches(self, path: str) -> bool:
        """Whether a path is that of a file or a folder of files."""
        return is_file(path)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the request on and the reply back."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        upload = Upload(scope, receive, self._most, self._seconds)
        sending = _Sending(send, scope["path"])
        self._meters.in_flight += 1
        self._under_way += 1
        try:
            await self._pass_on(scope, upload, sending)
        except _GoneError:
            return
        except TropismError as error:
            await self._refuse(error, scope, upload, sending)
        except Exception:  # noqa: BLE001  a caller gets an answer whatever happens, without the traceback
            _log.error("%s %s failed", scope["method"], scope["path"], exc_info=True)
            await self._refuse(internal(), scope, upload, sending)
        finally:
            self._under_way -= 1
            self._meters.in_flight -= 1

    async def _pass_on(self, scope: Scope, upload: Upload, sending: _Sending) -> None:
        """Raises: TooLarge, NotReady, RateLimited, MalformedBody: there is no reply of the control plane's."""
        self._admit(scope)
        if self._under_way > _MOST:
            fault = Fault("files on their way", str(self._under_way), f"send at most {_MOST} at once; try again")
            raise Overloaded("too many files at once", fault)
        upload.require_fitting()
        async with AsyncExitStack() as stack:
            async with deadline(scope):
                content = b"" if upload.ended else upload.pieces()
                reply = self._forwarder.reply(scope, content, upload.headers)
                response = await stack.enter_async_context(reply)
            await sending.copy(response, scope, upload)

    async def _refuse(self, error: TropismError, scope: Scope, upload: Upload, sending: _Sending) -> None:
        if sending.begun:  # too late to say so: what was announced is never complete
            _log.error("%s %s was cut off: %s", scope["method"], scope["path"], error)
            return
        reply = error_reply(error)._replace(status=status_of(error), unread=not upload.ended)
        self._failed(reply)
        await send_reply(sending.send, reply)
        if reply.unread:
            await discard(scope, upload.receive)
            await end_reply(sending.send)


class Upload:
    """The body of a request, as it comes. `ended`: nothing more of it will."""

    def __init__(self, scope: Scope, receive: Receive, most: int, seconds: float) -> None:
        """`most`: bytes that it may have. `seconds`: how long nothing of it may come."""
        announced = header(scope, b"content-length")
        self._length = int(announced) if announced is not None and announced.isdigit() else None
        self._most = most
        self._seconds = seconds
        self.receive = receive
        self.ended = not self._length if announced is not None else header(scope, b"transfer-encoding") is None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is said of it in advance."""
        return [] if self._length is None else [(b"content-length", str(self._length).encode())]

    def require_fitting(self) -> None:
        """Raises: TooLarge: it announces itself as longer than it may be."""
        if self._length is not None and self._length > self._most:
            raise self._too_large(f"{self._length} bytes")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, once.

        Raises:
            TooLarge: it is longer than it may be.
            MalformedBody: nothing of it came for too long.
        """
        size = 0
        while not self.ended:
            piece = await self._next()
            size += len(piece)
            if size > self._most:
                raise self._too_large(f"more than {self._most} bytes")
            if piece:
                yield piece

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                message = await self.receive()
        except TimeoutError as error:
            fault = Fault("body", f"nothing for {self._seconds:g} s", "send it without a pause (http.body_timeout)")
            raise MalformedBody("the rest of the body did not arrive", fault) from error
        if message["type"] == "http.disconnect":
            raise _GoneError
        self.ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def _too_large(self, size: str) -> TooLarge:
        fix = f"send at most {self._most} bytes (http.max_artifact_bytes)"
        return TooLarge("the file is too large", Fault("body", size, fix))


class _Sending:
    """The reply to one request. `begun`: its status is told."""

    def __init__(self, send: Send, path: str) -> None:
        self.send = send
        self.begun = False
        self._path = path

    async def copy(self, response: httpx.Response, scope: Scope, upload: Upload) -> None:
        """Sends a reply as it comes, until the caller goes or does not take it any more."""
        unread = not upload.ended
        headers = reply_headers(response, also=frozenset((b"content-length",)))
        if unread:
            headers.append((b"connection", b"close"))
        self.begun = True
        await self.send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        leaving = None if unread else asyncio.create_task(_left(upload.receive))
        try:
            async for piece in response.aiter_raw():
                if leaving is not None and leaving.done():
                    return
                async with asyncio.timeout(_PATIENCE):
                    await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            _log.error("%s was cut off: its caller took nothing for %g s", self._path, _PATIENCE)
            return
        finally:
            if leaving is not None:
                leaving.cancel()
        if unread:
            await discard(scope, upload.receive)
        await end_reply(self.send)


class _GoneError(Exception):
    """The caller went away before all was sent."""


async def _left(receive: Receive) -> None:
    """Returns when the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def is_file(path: str) -> bool:
    """Whether a path is that of a file, or a folder of files, of MLflow's artifacts proxy.

    >>> is_file("/api/2.0/mlflow-artifacts/artifacts/0/run/model.pkl"), is_file("/api/2.0/mlflow-artifacts/artifacts")
    (True, False)
    """
    return path.startswith(_PREFIXES) and path not in _PREFIXES
