"""Bytes of a request to JSON values."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from tropism.core.errors import Fault, MalformedBody
from tropism.core.faults import shown

_LITERAL = re.compile(rb"-?(NaN|Infinity|nan|inf)\b")
_PLACE = re.compile(r"byte (\d+)")
_decoder = msgspec.json.Decoder()


def parse(body: bytes) -> Any:
    """The JSON value in a body.

    Raises:
        MalformedBody: it is not JSON, or has a name twice in one object; says where, and what to do.

    >>> parse(b'{"outcome": true}')
    {'outcome': True}
    """
    try:
        value = _decoder.decode(body)
        # As many colons as names: no name was sent twice. More may stand in texts.
        if body.count(b":") != _names(value, body.count(b"{")):
            json.loads(body.decode(), object_pairs_hook=_refuse_repeated, parse_int=str, strict=False)
    except msgspec.DecodeError as error:
        raise MalformedBody(*_explain(body, str(error))) from error
    except UnicodeDecodeError as error:
        fault = Fault("body", f"byte {error.start}", "encode the body as UTF-8")
        raise MalformedBody("the body is not UTF-8", fault) from error
    except RecursionError as error:
        fault = Fault("body", "deeply nested", 'send flat values: {"features": {"name": value}}')
        raise MalformedBody("the body is nested too deeply", fault) from error
    return value


def _names(value: Any, objects: int) -> int:
    """How many names the objects in a value have. There are no more than `objects` of them."""
    names, waiting = 0, [value]
    while waiting and objects > 0:
        one = waiting.pop()
        if isinstance(one, dict):
            names += len(one)
            objects -= 1
            one = one.values()
        elif not isinstance(one, list):
            continue
        waiting += [inner for inner in one if isinstance(inner, dict | list)]
    return names


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            fault = Fault("body", shown(name), "send each name once in an object")
            raise MalformedBody(f"the name {shown(name)} is there twice", fault)
        seen.add(name)


def _explain(body: bytes, reason: str) -> tuple[str, Fault]:
    if not body.strip():
        return "the body is empty", Fault("body", "nothing", "send a JSON object")
    if "truncated" in reason:
        return "the body is cut off", Fault("body", f"{len(body)} bytes", "send the whole JSON text")
    if "out of range" in reason:
        fix = "send numbers between -1e300 and 1e300"
        return "the body has a number that is too large", Fault("body", reason.removesuffix(" - at `$[...]`"), fix)
    found = _PLACE.search(reason)
    place = int(found[1]) if found else 0
    literal = _LITERAL.match(body, max(place - 1, 0)) or _LITERAL.match(body, place)
    if literal is not None:
        name = literal[0].decode()
        fault = Fault("body", f"{name} at byte {literal.start()}", "send null for a missing value")
        return f"the body is not JSON: {name} is not a JSON number", fault
    near = body[max(place - 10, 0) : place + 20].decode("utf-8", "replace")
    fault = Fault("body", f"byte {place}, near {near!r}", 'send JSON such as {"features": {"name": 1.5}}')
    return f"the body is not JSON: {reason.removeprefix('JSON is malformed: ')}", fault
