from __future__ import annotations

import os
from pathlib import Path

from tropism.storage.journal.segments import Listing, list_segments, pack_header, read_header, segment_path


def test_segments_are_listed_in_order_and_nothing_else_is(tmp_path: Path) -> None:
    for first in (100, 1, 20):
        segment_path(tmp_path, first).touch()
    for name in ("lock", "00000000000000000500.torn", "x.seg"):
        (tmp_path / name).touch()

    assert [segment.first for segment in list_segments(tmp_path)] == [1, 20, 100]
    assert list_segments(tmp_path)[0].name == "00000000000000000001.seg"


def test_a_listing_sees_every_change_even_within_one_tick_of_the_clock(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    for first in range(1, 300):
        segment_path(tmp_path, first).touch()
        assert len(listing.segments()) == first


def test_a_settled_listing_sees_a_new_segment(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    segment_path(tmp_path, 1).touch()
    os.utime(tmp_path, (1_000, 1_000))
    assert [len(listing.segments()) for _ in range(3)] == [1, 1, 1]

    segment_path(tmp_path, 2).touch()
    assert len(listing.segments()) == 2


def test_a_header_that_was_changed_is_not_believed() -> None:
    header = pack_header(5, b"previous")
    assert read_header(header, 5) == b"previous"
    assert read_header(header, 6) is None
    assert read_header(header[:-1], 5) is None
    for at in range(len(header)):
        assert read_header(header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :], 5) is None
