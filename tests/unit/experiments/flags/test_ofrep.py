from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.flag import Flag, FlagRule
from tropism.experiments.flags import Flagset
from tropism.experiments.flags.ofrep import answer_all, answer_one

FLAGS = Flagset(
    [
        Flag(key="beta", rules=(FlagRule(when="country == 'DE'", serve="on", name="german"),)),
        Flag(key="split", rules=(FlagRule(rollout={"on": 0.5, "off": 0.5}),)),
        Flag(key="timed", rules=(FlagRule(serve="on", start=100),)),
    ]
)


def one(key: str, body: Any) -> tuple[int, dict[str, Any]]:
    reply = answer_one(FLAGS, key, body if isinstance(body, bytes) else msgspec.json.encode(body), 0)
    return reply.status, msgspec.json.decode(reply.body)


def test_one_flag_is_answered() -> None:
    assert one("beta", {"context": {"country": "DE"}}) == (
        200,
        {"key": "beta", "value": True, "reason": "TARGETING_MATCH", "variant": "on", "metadata": {"rule": "german"}},
    )
    assert one("beta", {}) == one("beta", b"")
    assert one("beta", b"")[1] == {"key": "beta", "value": False, "reason": "DEFAULT", "variant": "off"}


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("other", b"{}", 404, "FLAG_NOT_FOUND"),
        ("split", b"{}", 400, "TARGETING_KEY_MISSING"),
        ("beta", b"{", 400, "PARSE_ERROR"),
        ("beta", b"\xff", 400, "PARSE_ERROR"),
        ("beta", b"[]", 400, "PARSE_ERROR"),
        ("beta", b'{"context": []}', 400, "INVALID_CONTEXT"),
        ("beta", b'{"context": null}', 400, "INVALID_CONTEXT"),
        ("beta", b'{"context": ' + b'{"a":' * 5_000, 400, "PARSE_ERROR"),
    ],
)
def test_what_is_wrong_is_told_as_the_protocol_does(key: str, body: bytes, status: int, code: str) -> None:
    found, document = one(key, body)
    assert (found, document["key"], document["errorCode"]) == (status, key, code)
    assert document["errorDetails"]


def test_all_flags_are_answered_and_those_that_fail_among_them() -> None:
    reply = answer_all(FLAGS, b"{}", 0)
    flags = msgspec.json.decode(reply.body)["flags"]
    assert reply.status == 200
    assert [flag["key"] for flag in flags] == ["beta", "split", "timed"]
    assert flags[1]["errorCode"] == "TARGETING_KEY_MISSING"


def test_who_has_the_answer_is_told_so() -> None:
    first = answer_all(FLAGS, b"{}", 0)
    assert first.given, "what was told is counted"
    assert answer_all(FLAGS, b"{}", 50, first.etag) == (304, b"", first.etag, ())
    assert answer_all(FLAGS, b"{}", 0, f'"x", W/{first.etag}').status == 304
    assert answer_all(FLAGS, b'{"context": {"country": "DE"}}', 0, first.etag).status == 200
    assert answer_all(FLAGS, b"{}", 100, first.etag).status == 200, "a rule's time has come"
    assert answer_all(FLAGS, b"{", 0).status == 400


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(["context", "targetingKey", "country", "environment", ""]) | st.text(max_size=4)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=40) | VALUES.map(json.dumps) | VALUES.map(lambda one: json.dumps({"context": one})))
def test_whatever_is_sent_is_answered_or_refused(body: str | bytes) -> None:
    sent = body if isinstance(body, bytes) else body.encode()
    for reply in (*(answer_one(FLAGS, key, sent, 0) for key in FLAGS.keys), answer_all(FLAGS, sent, 0)):
        assert reply.status in (200, 400)
