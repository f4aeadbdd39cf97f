"""OpenFeature Remote Evaluation Protocol (OFREP) 0.2: a request's body in, a reply out, whoever serves it.

https://github.com/open-feature/protocol/blob/main/service/openapi.yaml. Version 0.2 has no `configuration` any more.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.experiments.flags.evaluation import Evaluation, Flagset

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARSE_ERROR, _INVALID_CONTEXT = "PARSE_ERROR", "INVALID_CONTEXT"


class OfrepReply(NamedTuple):
    """A reply. `body` is JSON, empty where there is none; `etag` empty where there is none. `given`: what flags came
    to, those that the body tells of."""

    status: int
    body: bytes
    etag: str = ""
    given: tuple[Evaluation, ...] = ()


class _RefusedError(Exception):
    """A body that holds no context."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.document = {"errorCode": code, "errorDetails": details}


def answer_one(flags: Flagset, key: str, body: bytes, now: int) -> OfrepReply:
    """The answer to `POST /ofrep/v1/evaluate/flags/{key}`.

    >>> from tropism.core.flag import Flag
    >>> answer_one(Flagset([Flag(key="beta")]), "beta", b'{"context": {}}', 0).body
    b'{"key":"beta","value":false,"reason":"STATIC","variant":"off"}'
    >>> answer_one(Flagset([]), "beta", b"", 0).status
    404
    """
    try:
        context = _context(body)
    except _RefusedError as refused:
        return OfrepReply(400, msgspec.json.encode({"key": key, **refused.document}))
    found = flags.evaluate(key, context, now)
    status = {"": 200, "FLAG_NOT_FOUND": 404}.get(found.error, 400)
    return OfrepReply(status, msgspec.json.encode(_document(found)), given=(found,))


def answer_all(flags: Flagset, body: bytes, now: int, if_none_match: str = "") -> OfrepReply:
    """The answer to `POST /ofrep/v1/evaluate/flags`; 304 without a body where the caller has it already.

    The entity tag is a digest of the answer, so that it changes when a rule's time comes, too.
    """
    try:
        context = _context(body)
    except _RefusedError as refused:
        return OfrepReply(400, msgspec.json.encode(refused.document))
    found = flags.evaluate_all(context, now)
    answer = msgspec.json.encode({"flags": [_document(one) for one in found]})
    etag = f'"{hashlib.blake2b(answer, digest_size=12).hexdigest()}"'
    if matches(if_none_match, etag):
        return OfrepReply(304, b"", etag)
    return OfrepReply(200, answer, etag, tuple(found))


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the header `If-None-Match` names this entity tag (RFC 9110, section 13.1.2).

    >>> matches('W/"a", "b"', '"a"'), matches("*", '"a"'), matches("", '"a"')
    (True, True, False)
    """
    named = (one.strip().removeprefix("W/") for one in if_none_match.split(","))
    return any(one in ("*", etag) for one in named)


def _context(body: bytes) -> Mapping[str, Any]:
    """Raises: _RefusedError: the body is no JSON object, or its context is none."""
    try:
        sent = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _RefusedError(_PARSE_ERROR, f"the body is not JSON: {error}") from error
    if not isinstance(sent, dict):
        raise _RefusedError(_PARSE_ERROR, 'send an object, such as {"context": {"targetingKey": "user-7"}}')
    context = sent.get("context", {})
    if not isinstance(context, dict):
        raise _RefusedError(_INVALID_CONTEXT, "context: send an object with the attributes, or leave it out")
    return context


def _document(found: Evaluation) -> dict[str, Any]:
    if found.error:
        return {"key": found.key, "errorCode": found.error, "errorDetails": found.details}
    made = {"key": found.key, "value": found.value, "reason": found.reason, "variant": found.variant}
    return {**made, "metadata": {"rule": found.rule}} if found.rule else made
