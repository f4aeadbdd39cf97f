"""Entries of Redis streams: where the event is in them, and their order."""

from __future__ import annotations

import json

import pytest
from faststream.redis.parser import BinaryMessageFormatV1

from tropism.entrypoints.streams.redis import _payload, _place


@pytest.mark.parametrize(
    "fields",
    [
        {b"data": b"{}"},
        {b"event": b"{}"},
        {b"data": b"{}", b"trace": b"1"},
        {b"__data__": b"{}"},
    ],
)
def test_the_event_is_in_data_or_in_the_only_field(fields: dict[bytes, bytes]) -> None:
    assert _payload(fields) == (b"{}", "")


async def test_what_faststream_publishes_is_unwrapped() -> None:
    wrapped = await BinaryMessageFormatV1.encode(
        message={"a": 1}, reply_to=None, headers={"trace": "1"}, correlation_id="c"
    )
    payload, fault = _payload({b"__data__": wrapped})
    assert (json.loads(payload), fault) == ({"a": 1}, "")


def test_an_event_with_a_column_data_is_no_envelope() -> None:
    body = b'{"data": "x", "headers": {}}'
    assert _payload({b"__data__": body}) == (body, "")


def test_several_fields_are_told_and_kept() -> None:
    payload, fault = _payload({b"b": b"2", b"a": b"1"})
    assert "(a, b)" in fault and "'data'" in fault
    assert payload == b"b=2\na=1"


def test_places_grow_with_ids_and_fit_into_64_bits() -> None:
    ids = ["0-1", "5-0", "1700000000000-0", "1700000000000-7", "1700000000001-0", f"{2**64 - 1}-{2**64 - 1}"]
    places = [_place(one) for one in ids]
    assert places == sorted(set(places))
    assert places[0] > 0 and places[-1] < 2**63
