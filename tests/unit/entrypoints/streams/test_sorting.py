"""One bad message does not hold up the others."""

from __future__ import annotations

import msgspec

from tropism.entrypoints.streams.base import Message
from tropism.entrypoints.streams.sorting import MOST_BYTES, sort_messages
from tropism.features import StreamSource
from tropism.features.checks import rule
from tropism.features.streams import EventReader

NOW = 1_700_000_000_000_000


def messages(*payloads: bytes) -> list[Message]:
    return [Message("redis:s", f"{place}-0", place, payload) for place, payload in enumerate(payloads, 1)]


def event(amount: str = '"1.50"', at: int = NOW) -> bytes:
    return b'{"account_id": "a", "amount": %s, "at": %d}' % (amount.encode(), at)


def test_every_message_is_a_push_named_by_its_place(payments: StreamSource) -> None:
    found = sort_messages(messages(event(), event("2.25")), EventReader(payments), NOW + 5, 0)
    assert [push.id for push in found.pushes] == ["redis:s:1-0", "redis:s:2-0"]
    assert [push.rows for push in found.pushes] == [[("a", "1.50", NOW)], [("a", "2.25", NOW)]]
    assert {push.received for push in found.pushes} == {NOW + 5}
    assert found.poison == []


def test_decimals_keep_all_their_digits(payments: StreamSource) -> None:
    found = sort_messages(messages(event("9007199254740993.25")), EventReader(payments), NOW, 0)
    assert found.pushes[0].rows[0][1] == "9007199254740993.25"


def test_poison_is_told_from_the_rest_with_its_reason(payments: StreamSource) -> None:
    deep = b"[" * 100_000
    large = b'"' + b"x" * MOST_BYTES + b'"'
    bad = [b"", b"\xff", b"{", b"[]", b"NaN", deep, large, event('"x"'), event(at=NOW + 2)]
    found = sort_messages(messages(event(), *bad, event()), EventReader(payments), NOW, 1)
    assert [push.id for push in found.pushes] == ["redis:s:1-0", "redis:s:11-0"]
    reasons = {letter.message.payload: letter.reason for letter in found.poison}
    assert sorted(reasons) == sorted(bad)
    assert all("not JSON" in reasons[payload] for payload in (b"", b"\xff", b"{", b"NaN", deep))
    assert "not a JSON object" in reasons[b"[]"]
    assert "too large" in reasons[large] and str(len(large)) in reasons[large]
    assert 'amount: got "x"; send a decimal number' in reasons[event('"x"')]
    assert "from the future" in reasons[event(at=NOW + 2)]


def test_what_could_not_be_unwrapped_is_poison(payments: StreamSource) -> None:
    broken = messages(event())[0]._replace(fault="the entry has several fields")
    found = sort_messages([broken], EventReader(payments), NOW, 0)
    assert found.pushes == []
    assert found.poison[0].reason == "the entry has several fields"


def test_rules_count_and_what_they_reject_is_a_dead_letter_too(payments: StreamSource) -> None:
    rules = (rule.range("amount", 0, policy="reject"), rule.range("amount", 0, 10, policy="warn"))
    reader = EventReader(msgspec.structs.replace(payments, rules=rules))
    found = sort_messages(messages(event('"-1"'), event('"50"'), event('"5"')), reader, NOW, 0)
    assert [len(push.rows) for push in found.pushes] == [0, 1, 1]
    assert [[failure[1] for failure in push.failures] for push in found.pushes] == [["reject", "warn"], ["warn"], []]
    assert [letter.message.offset for letter in found.poison] == ["1-0"]
    assert "range of 'amount'" in found.poison[0].reason


def test_a_rule_that_lets_nothing_through_stops_its_own_message_only(payments: StreamSource) -> None:
    reader = EventReader(msgspec.structs.replace(payments, rules=(rule.range("amount", 0, policy="stop"),)))
    found = sort_messages(messages(event(), event('"-1"')), reader, NOW, 0)
    assert [push.id for push in found.pushes] == ["redis:s:1-0"]
    assert [letter.message.offset for letter in found.poison] == ["2-0"]
