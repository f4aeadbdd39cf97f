"""Takes a request's body for JSON, whatever its sender calls it, unless a foreign web page sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tropism.core.errors import Fault, InputError
from tropism.entrypoints.api.asgi import header, problem_reply, send_reply

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_BODILESS = ("GET", "HEAD", "OPTIONS")


class JsonBodies:
    """ASGI middleware. `curl -d` calls every body a form; here it is JSON.

    A page of another site may make a browser send forms and plain text to any address, this machine's too, but
    not JSON. So a request that names a foreign origin must say itself that it is JSON: else any page that is open
    could promote a model.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _BODILESS or _is_json(scope):
            await self._app(scope, receive, send)
        elif _foreign(scope):
            kind = (header(scope, b"content-type") or b"none").decode("latin-1")
            fault = Fault("content-type", kind[:80], "send the header content-type: application/json")
            await send_reply(send, problem_reply(InputError("the body is not called JSON", fault), 415))
        else:
            others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            headers = [*others, (b"content-type", b"application/json")]
            await self._app({**scope, "headers": headers}, receive, send)


def _is_json(scope: Scope) -> bool:
    kind = (header(scope, b"content-type") or b"").split(b";")[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))


def _foreign(scope: Scope) -> bool:
    """Whether a page of another address sends this. Browsers name the page's origin, programs have none."""
    origin = header(scope, b"origin")
    if origin is None:
        return False
    own = (header(scope, b"x-forwarded-host"), header(scope, b"host"))
    return urlsplit(origin.decode("latin-1")).netloc.encode("latin-1") not in own
