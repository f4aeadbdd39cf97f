from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid
from tropism.monitoring.counts import (
    Binning,
    count_columns,
    freeze,
    merge,
    pack,
    pack_binnings,
    unpack,
    unpack_binnings,
)

COUNTS = st.lists(st.integers(0, 2**63 - 1), max_size=63).map(lambda values: np.array(values, np.int64))
ROW = {"age": np.array([0, 12, 300, 1]), "größe": np.array([2**63 - 1, 0])}
BINNINGS = {
    "age": Binning(kind="number", edges=(-1.5, 0.0, float(np.float32(0.1)))),
    "farbe": Binning(kind="category", names=("grün", "", "rot")),
    "none": Binning(kind="number"),
}


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), COUNTS, max_size=8))
def test_what_is_unpacked_is_what_was_packed(counts: dict[str, np.ndarray]) -> None:
    found = unpack(pack(counts))
    assert {name: one.tolist() for name, one in found.items()} == {name: one.tolist() for name, one in counts.items()}
    assert all(one.dtype == np.int64 for one in found.values())


def test_binnings_come_back_as_they_were() -> None:
    assert unpack_binnings(pack_binnings(BINNINGS)) == BINNINGS
    assert unpack_binnings(pack_binnings({})) == {}


def test_the_order_of_columns_does_not_change_the_bytes() -> None:
    assert pack(ROW) == pack(dict(reversed(ROW.items())))
    assert pack_binnings(BINNINGS) == pack_binnings(dict(reversed(BINNINGS.items())))


def test_a_minute_of_sixty_columns_takes_under_four_kilobytes() -> None:
    rng = np.random.default_rng(1)
    table = pa.table({f"f_feature_{place}": rng.normal(size=1_000) for place in range(60)})
    binnings = {name[2:]: freeze(pa.chunked_array([rng.normal(size=100_000)]), "number") for name in table.column_names}
    assert len(pack(count_columns(binnings, table))) < 4_000


@pytest.mark.parametrize("kind", ["counts", "binnings"])
def test_damage_anywhere_is_refused(kind: str) -> None:
    data = pack(ROW) if kind == "counts" else pack_binnings(BINNINGS)
    read = unpack if kind == "counts" else unpack_binnings
    for place in range(len(data)):
        with pytest.raises(DataInvalid):
            read(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        with pytest.raises(DataInvalid):
            read(data[:place])
    with pytest.raises(DataInvalid, match=f"hold no {kind}"):
        read(data + b"\0")


def sealed(body: bytes, mark: bytes = b"C", version: int = 1, deflated: int = 0) -> bytes:
    start = mark + bytes([version, deflated])
    return start + zlib.crc32(start + body).to_bytes(4, "little") + body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff" * 8 + b"\x7f",
        b"\x01" + b"\xff" * 8 + b"\x7f\x01\x00a",
        b"\x01\x01" + b"\xff" * 8 + b"\x7f\x00a",
        b"\x01\x01\x01\x00\xff",
        b"\x01\x01\x01" + b"\x80" * 9 + b"\x01a",
        b"\x02\x01",
    ],
)
def test_a_body_that_makes_no_sense_is_refused_although_its_sum_is_right(body: bytes) -> None:
    with pytest.raises(DataInvalid, match="hold no counts"):
        unpack(sealed(body))
    with pytest.raises(DataInvalid, match="hold no binnings"):
        unpack_binnings(sealed(body, b"B"))


def test_bytes_that_would_fill_the_memory_are_refused() -> None:
    with pytest.raises(DataInvalid):
        unpack(sealed(zlib.compress(bytes(1 << 27)), deflated=1))
    with pytest.raises(DataInvalid):
        unpack(sealed(b"not deflated", deflated=1))


def test_another_version_says_so() -> None:
    with pytest.raises(DataInvalid, match="another release"):
        unpack(sealed(b"\0", version=2))


def test_counts_below_zero_are_refused() -> None:
    with pytest.raises(DataInvalid) as caught:
        pack({"age": np.array([1, -1])})
    assert caught.value.faults[0].field == "age"


def test_counts_in_other_bins_do_not_add_up() -> None:
    with pytest.raises(DataInvalid, match="different bins"):
        merge({"age": np.array([1, 2])}, {"age": np.array([1, 2, 3])})


def test_merging_changes_none_of_the_rows() -> None:
    row = {"age": np.array([1, 2])}
    merge(row, row)["age"] += 1
    assert row["age"].tolist() == [1, 2]
    merge(row)["age"] += 1
    assert row["age"].tolist() == [1, 2]
