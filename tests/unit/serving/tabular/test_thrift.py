from __future__ import annotations

import pytest

from tropism.serving.tabular.thrift import CompactReader


def read(*data: int) -> object:
    return CompactReader(memoryview(bytes(data))).struct()


def test_what_is_not_needed_is_passed_over() -> None:
    # A binary of two bytes, a double, a true, then the number 5.
    assert read(0x18, 2, 65, 66, 0x17, *[0] * 8, 0x11, 0x15, 10, 0) == {1: None, 2: None, 3: True, 4: 5}


def test_lists_hold_numbers_and_structs() -> None:
    assert read(0x19, 0x25, 2, 4, 0x19, 0x1C, 0x15, 6, 0, 0) == {1: [1, 2], 2: [{1: 3}]}


def test_fields_far_apart_name_their_number() -> None:
    assert read(0x05, 0xC8, 0x01, 2, 0) == {100: 1}


@pytest.mark.parametrize(
    "data",
    [
        (0x15,),
        (0x15, 0x80),
        (0x15, *[0xFF] * 12, 0),
        (0x18, 100, 1),
        (0x19, 0xF5, 0xFF, 0xFF, 0xFF, 0x7F),
        (0x1D, 0),
        (0x1C,) * 100,
    ],
    ids=["no value", "half a number", "a long number", "a short text", "a long list", "an unknown type", "deep"],
)
def test_rubbish_is_no_struct(data: tuple[int, ...]) -> None:
    with pytest.raises((ValueError, IndexError)):
        read(*data)
