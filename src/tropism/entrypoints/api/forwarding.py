"""Passes requests on to the control plane, so that there is one public address."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, NotReady
from tropism.entrypoints.api.asgi import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tropism.entrypoints.api.asgi import Headers, Scope

_OWN_HOP = frozenset(
    (
        b"connection",
        b"content-length",
        b"date",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Headers that speak of one connection, not of the message (RFC 9110, section 7.6.1)."""


class Forwarder:
    """A client of the control plane. For one event loop.

    `transport` replaces the network in tests.
    """

    def __init__(self, host: str, port: int, seconds: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._host = host
        self._port = port
        self._seconds = seconds
        self._transport = transport
        self._made: httpx.AsyncClient | None = None

    async def forward(self, scope: Scope, body: bytes) -> Reply:
        """The control plane's reply to a request, as it gave it.

        Raises:
            NotReady: it is away, or did not answer in time.
        """
        async with self.reply(scope, body) as response:
            content = b"".join([chunk async for chunk in response.aiter_raw()])
            return Reply(response.status_code, content, reply_headers(response))

    @asynccontextmanager
    async def reply(
        self, scope: Scope, content: bytes | AsyncIterator[bytes], more: Headers | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The control plane's reply once its head is there; what follows is still to be read.

        `content`: the request's body, whole or as it comes; what its iterator raises is raised here, and the control
        plane sees a caller who went away. `more`: headers of the request beside the caller's.

        Raises:
            NotReady: it is away, or did not answer in time; also when that happens while the reply is read.
        """
        import httpx

        client = self.open()
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        url = httpx.URL(scheme="http", host=self._host, port=self._port, raw_path=target)
        headers = [*_request_headers(scope), *(more or [])]
        request = client.build_request(scope["method"], url, headers=headers, content=content)
        try:
            response = await client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx.TimeoutException as error:
            fault = Fault("control plane", f"no answer in {self._seconds:g} s", "look whether it was done; try again")
            raise NotReady("the control plane is slow", fault) from error
        except httpx.TransportError as error:
            fix = "try again in a moment; `tropism status` shows whether it runs"
            fault = Fault("control plane", f"{self._host}:{self._port}", fix)
            raise NotReady("the control plane is away; predictions and outcomes go on", fault) from error

    def open(self) -> httpx.AsyncClient:
        """The client, made with the first call: importing it takes a moment, best spent while starting up."""
        if self._made is None:
            import httpx

            # trust_env: a proxy of the environment must not come between two processes of one machine
            self._made = httpx.AsyncClient(timeout=self._seconds, trust_env=False, transport=self._transport)
        return self._made

    async def close(self) -> None:
        """Closes the connections."""
        if self._made is not None:
            await self._made.aclose()


def reply_headers(response: httpx.Response, also: frozenset[bytes] = frozenset()) -> Headers:
    """The headers of a reply that speak of the message; `also`: those that are kept although they do not."""
    dropped = _OWN_HOP - also
    return [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in dropped]


def _request_headers(scope: Scope) -> Headers:
    headers = [(name, value) for name, value in scope["headers"] if name not in _OWN_HOP]
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    client = scope.get("client")
    if client:
        headers.append((b"x-forwarded-for", str(client[0]).encode()))
    return [*headers, (b"x-forwarded-host", host)] if host else headers
