from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.storage.journal.framing import HEADER, MAGIC, appends, pack, scan, unfinished

START = bytes(8)


def payloads_of(data: bytes, complete: bool = True) -> list[bytes]:
    return [data[frame.offset + HEADER.size : frame.end] for frame in scan(data, 0, complete) if not frame.problem]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_what_is_packed_is_scanned(payloads: list[bytes]) -> None:
    data, _ = pack(payloads, 41, START)
    frames = list(scan(data, 0, complete=True))

    assert payloads_of(data) == payloads
    assert [frame.seq for frame in frames] == list(range(42, 42 + len(payloads)))
    assert not any(frame.problem for frame in frames)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8), st.data())
def test_any_beginning_gives_only_whole_records_and_whole_appends(payloads: list[bytes], draw: st.DataObject) -> None:
    first, last = pack([b"before"], 0, START)
    more, _ = pack(payloads, 1, last)
    cut = draw.draw(st.integers(0, len(more) - 1))
    data = first + more[:cut]

    records = payloads_of(data)
    whole = [frame for group, _ in appends(data, True, False) for frame in group]

    assert records == [b"before", *payloads][: len(records)]
    assert [frame.seq for frame in whole] == [1]
    rest = data[sum(len(one) + HEADER.size for one in records) :]
    assert unfinished(rest, len(records) + 1, None)


@given(st.lists(st.binary(max_size=60), min_size=2, max_size=6), st.data())
def test_one_changed_byte_costs_one_record_and_never_another(payloads: list[bytes], draw: st.DataObject) -> None:
    data, _ = pack(payloads, 0, START)
    at = draw.draw(st.integers(0, len(data) - 1))
    flip = draw.draw(st.integers(1, 255))
    changed = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
    ends = [frame.end for frame in scan(data, 0, complete=True)]
    hit = next(index for index, end in enumerate(ends) if at < end)

    assert payloads_of(changed) == payloads[:hit] + payloads[hit + 1 :]


def test_a_record_inside_a_payload_is_not_taken_for_one() -> None:
    inner, _ = pack([b"inner"], 7, START)
    data, last = pack([b"x" + inner + b"y"], 0, START)
    more, _ = pack([b"after"], 1, last)

    assert payloads_of(data + more) == [b"x" + inner + b"y", b"after"]


def test_no_text_holds_the_magic() -> None:
    with pytest.raises(UnicodeDecodeError):
        MAGIC.decode()


def test_an_append_whose_last_record_is_damaged_ends_where_the_next_begins() -> None:
    first, last = pack([b"one", b"two"], 0, START)
    second, last = pack([b"three", b"four"], 2, last)
    damaged = first[:-1] + b"!"

    groups = [
        [frame.seq for frame in group if not frame.problem] for group, _ in appends(damaged + second, True, False)
    ]
    assert groups == [[1], [3, 4]]
    unfinished_second = damaged + second[:-1]
    assert [[frame.seq for frame in group][:1] for group, _ in appends(unfinished_second, True, False)] == [[1]]


def test_damaged_neighbours_are_told_apart() -> None:
    data, _ = pack([b"1" * 50, b"2" * 50, b"3" * 50, b"4" * 50], 0, START)
    size = HEADER.size + 50
    changed = bytearray(data)
    for record in (1, 2):
        changed[record * size + 60] ^= 1

    frames = list(scan(bytes(changed), 0, complete=True))
    assert [(frame.offset, bool(frame.problem)) for frame in frames] == [
        (0, False),
        (size, True),
        (2 * size, True),
        (3 * size, False),
    ]
