"""A call of MLflow's protocol: what is sent, read and checked, and the reply."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tropism.core.errors import Fault, InvalidInput, MalformedBody, TooLarge, TropismError
from tropism.entrypoints.api.mlflow.errors import refusal_of, refuse
from tropism.registry.tracking.checks import LARGEST, invalid
from tropism.registry.tracking.searching import page_start, page_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from tropism.registry.tracking import Tracking

MILLISECOND = 1_000
_BODY = 32 << 20
_LISTS = ("order_by", "stages", "experiment_ids")
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<place>[^`]*)`)?$", re.DOTALL)

Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]*\Z")]
Whole = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=LARGEST // MILLISECOND)]
"""Milliseconds since 1970."""
Version = Annotated[int, msgspec.Meta(ge=1, le=(1 << 31) - 1)]

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")


class Sent(msgspec.Struct, kw_only=True):
    """What a call takes. Fields that are not there are left out of account, as newer clients may send more."""


class KeyValue(Sent, kw_only=True):
    """A tag or a param."""

    key: Text
    value: Text = ""


class OneRun(Sent, kw_only=True):
    """A run by its id, or by the name that the id had before."""

    run_id: Text = ""
    run_uuid: Text = ""

    @property
    def run(self) -> str:
        """Raises: InvalidInput: neither was sent."""
        found = self.run_id or self.run_uuid
        if not found:
            raise invalid("run_id", found, "send it")
        return found


class Context(NamedTuple):
    """What a call works on; `now` in µs, to the millisecond."""

    tracking: Tracking
    now: int


class Call(NamedTuple):
    """A method and a path after `mlflow/`, what is sent, and what answers it."""

    method: str
    path: str
    shape: type[Any]
    answer: Callable[[Context, Any], dict[str, Any]]


def endpoint(call: Call) -> Callable[[Request], Awaitable[Response]]:
    """What answers requests of a call."""

    async def answer(request: Request) -> Response:
        try:
            sent = await _read(request, call.shape)
            found = await run_in_threadpool(call.answer, context(request), sent)
        except TropismError as error:
            return refuse(refusal_of(error), str(error))
        return Response(msgspec.json.encode(found), media_type="application/json")

    return answer


def context(request: Request) -> Context:
    """What the application keeps its calls' parts in."""
    platform = request.app.state.platform
    return Context(platform.tracking, platform.clock.now() // MILLISECOND * MILLISECOND)


async def read_body(request: Request, most: int) -> bytes:
    """The request's body. Raises: TooLarge: it has more than `most` bytes."""
    chunks, size = list[bytes](), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLarge("the body is too large", Fault("body", f"over {most} bytes", f"send {most} bytes at most"))
        chunks.append(chunk)
    return b"".join(chunks)


def converted(values: Any, shape: type[S]) -> S:
    """The values as the struct they should make.

    Raises:
        InvalidInput: one is missing or of the wrong type; names it.
    """
    if not isinstance(values, dict):
        raise InvalidInput("the body is not an object", Fault("body", type(values).__name__, "send a JSON object"))
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _unfit(str(error)) from error


def paged(
    search: Callable[..., Sequence[T]], *asked: Any, limit: int, token: str
) -> tuple[Sequence[T], dict[str, str]]:
    """A page of what a search finds that was `asked` so, and the token of the next where there is one.

    Raises:
        InvalidInput: nobody was given this token, or what the search raises.
    """
    start = page_start(token)
    return page(search(*asked, limit=limit + 1, start=start), limit, start)


def page(found: Sequence[T], limit: int, start: int) -> tuple[Sequence[T], dict[str, str]]:
    """What belongs on a page that was asked for with one more, and the token of the next where there is one.

    >>> page([1, 2, 3], 2, 0)
    ([1, 2], {'next_page_token': 'ZnJvbToy'})
    """
    if len(found) <= limit:
        return found, {}
    return found[:limit], {"next_page_token": page_token(start + limit)}


def tags_of(tags: Sequence[KeyValue]) -> dict[str, str]:
    """Tags by key; the last of two alike counts."""
    return {tag.key: tag.value for tag in tags}


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags or params as the protocol lists them.

    >>> listed({"a": "1"})
    [{'key': 'a', 'value': '1'}]
    """
    return [{"key": key, "value": value} for key, value in tags.items()]


async def _read(request: Request, shape: type[S]) -> S:
    if request.method == "GET":
        return converted({**_query(request), **request.path_params}, shape)
    body = await read_body(request, _BODY)
    try:
        values = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody("the body is not JSON", Fault("body", str(error)[:200], "send one JSON object")) from error
    return converted({**values, **request.path_params} if isinstance(values, dict) else values, shape)


def _query(request: Request) -> dict[str, Any]:
    given = request.query_params
    return {name: given.getlist(name) if name in _LISTS else given[name] for name in given}


def _unfit(message: str) -> InvalidInput:
    found = _PLACE.match(message)
    what, place = (found["what"], found["place"] or "") if found else (message, "")
    missing = re.fullmatch(r"Object missing required field `(.*)`", what)
    where = place.removeprefix("$").removeprefix(".")
    if missing:
        field = f"{where}.{missing[1]}" if where else missing[1]
        return InvalidInput(f"Missing value for required parameter '{field}'", Fault(field, "", "send it"))
    field = where or "body"
    fix = "leave out the NUL character" if "matching regex" in what else what[:1].lower() + what[1:]
    return InvalidInput(f"Invalid value for parameter '{field}'", Fault(field, "", fix))
