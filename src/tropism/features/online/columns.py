"""Many packed rows at once, to and from columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.features.online.layout import HEAD, VERSION, Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tropism.features.types import Dtype

    Bytes = npt.NDArray[np.uint8]
    Truths = npt.NDArray[np.bool_]
    Times = npt.NDArray[np.int64]

_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""What `datetime` can hold, in µs."""
_TOP = np.uint64(2**63)


def packed_rows(layout: Layout, table: pa.Table, events: Times, created: Times) -> list[bytes]:
    """See `Packing.pack_table`."""
    names = ["version", "event", "created", "nulls"]
    formats: list[Any] = ["u1", ">u8", ">u8", ("u1", (layout.bits,))]
    offsets = [0, 1, 9, HEAD]
    for place, one in enumerate(layout.dtypes):
        names.append(f"c{place}")
        formats.append(_format(one))
        offsets.append(layout.offsets[place])
    form = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": layout.size})
    rows = np.zeros(table.num_rows, form)
    rows["version"] = VERSION
    rows["event"] = events.view(np.uint64) ^ _TOP
    rows["created"] = created.view(np.uint64) ^ _TOP
    nulls = np.zeros((table.num_rows, len(layout.dtypes)), np.bool_)
    tails = []
    for place, one in enumerate(layout.dtypes):
        array = _cast(table, place, one)
        if one.kind == "text":
            filled = array.cast(pa.binary()).fill_null(b"")
            tails.append(filled)
            values, gone = _numpy(pc.binary_length(filled)), _numpy(array.is_null())
        else:
            values, gone = _values(array, one)
        rows[f"c{place}"] = values
        nulls[:, place] = gone
    if nulls.any():
        rows["nulls"] = np.packbits(nulls, axis=1, bitorder="little")
    fixed: list[bytes] = rows.view(f"V{layout.size}").tolist()
    if not tails:
        return fixed
    joined = pc.binary_join_element_wise(*tails, b"").to_pylist() if len(tails) > 1 else tails[0].to_pylist()
    return [row + tail for row, tail in zip(fixed, joined, strict=True)]


def row_columns(layout: Layout, rows: Sequence[bytes], places: Sequence[int]) -> list[pa.Array]:
    """Features of sound rows as Arrow arrays, in the order of `places`."""
    count = len(rows)
    joined = b"".join([row[: layout.size] for row in rows] if layout.texts else rows)
    raw: Bytes = np.frombuffer(joined, np.uint8).reshape(count, layout.size)
    valid = _valid(layout, raw)
    wide = _wide(layout, raw, valid)
    texts = _texts(layout, rows, raw) if layout.texts else []
    found = []
    for place in places:
        if place in wide:
            found.append(wide[place])
            continue
        bits = None if valid is None else _bits(valid[place])
        if place in layout.texts:
            found.append(_text(texts, layout.texts.index(place), len(layout.texts), bits))
        else:
            found.append(_narrow(layout, raw, place, bits))
    return found


def _format(one: Dtype) -> Any:
    if one.kind == "vector":
        return ("<f4", (one.size,))
    return {"number": "<f8", "decimal": "V16", "boolean": "u1", "text": "<u4"}.get(one.kind, "<i8")


def _cast(table: pa.Table, place: int, one: Dtype) -> pa.Array:
    column = table.column(place)
    # Whole numbers beyond 2**53 lose digits as numbers, and times their nanoseconds. All else is lossless or refused.
    whole = pa.types.is_integer(column.type) and one.kind == "number"
    try:
        cast = column.cast(one.arrow(), safe=not whole and not pa.types.is_timestamp(column.type)).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        fault = Fault(table.column_names[place], str(column.type), f"make it {one.arrow()}: {str(error)[:80]}")
        raise DataInvalid("a column does not fit its feature", fault) from error
    if one.kind == "vector" and cast.flatten().null_count:
        fault = Fault(table.column_names[place], "a vector with gaps", "fill them, or leave out the whole vector")
        raise DataInvalid("a column does not fit its feature", fault)
    if one.kind == "time" and len(cast):
        least, most = (bound.as_py() or 0 for bound in pc.min_max(cast.cast(pa.int64())).values())
        if not _EARLIEST <= least <= most <= _LATEST:
            fault = Fault(table.column_names[place], f"{least} to {most} µs", "keep to the years 1 to 9999")
            raise DataInvalid("a column does not fit its feature", fault)
    return cast


def _values(array: pa.Array, one: Dtype) -> tuple[npt.NDArray[Any], Truths]:
    """What the rows hold, zero where nothing is, and where that is."""
    gone = _numpy(array.is_null())
    if one.kind == "vector":
        values = np.zeros((len(array), one.size), np.float32)
        values[~gone] = _numpy(array.flatten()).reshape(-1, one.size)
        return values, gone
    if one.kind == "decimal":
        filled = array.fill_null(pa.scalar(0, pa.int64()).cast(array.type))
        return np.frombuffer(filled.buffers()[1], "V16")[filled.offset : filled.offset + len(filled)], gone
    if one.kind in ("time", "boolean"):
        array = array.cast(pa.int64() if one.kind == "time" else pa.uint8())
    values = _numpy(array.fill_null(0))
    if one.kind == "number":
        nan = np.isnan(values)
        if nan.any():
            return np.where(nan, 0.0, values), gone | nan
    return values, gone


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return found


def _valid(layout: Layout, raw: Bytes) -> Bytes | None:
    """1 where a value is, 0 where it is missing: (features, rows). None: all are there."""
    bits = raw[:, HEAD : HEAD + layout.bits]
    if not bits.any():
        return None
    gone = np.unpackbits(bits, axis=1, count=len(layout.dtypes), bitorder="little")
    return np.ascontiguousarray(1 - gone.T)


def _bits(valid: Bytes) -> pa.Buffer:
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def _wide(layout: Layout, raw: Bytes, valid: Bytes | None) -> dict[int, pa.Array]:
    """The columns of eight bytes a value: turned round all at once, one array for each type, then cut."""
    if not layout.wide:
        return {}
    start, count, width = layout.offsets[layout.wide[0]], len(raw), len(layout.wide)
    block = np.ascontiguousarray(raw[:, start : start + 8 * width]).view(np.int64)
    bits = None if valid is None else _bits(valid[list(layout.wide)].ravel())
    buffers = [bits, pa.py_buffer(np.ascontiguousarray(block.T))]
    whole = {
        kind: pa.Array.from_buffers(one, count * width, buffers)
        for kind, one in {layout.dtypes[place].kind: layout.types[place] for place in layout.wide}.items()
    }
    kinds = [(place, layout.dtypes[place].kind) for place in layout.wide]
    return {place: whole[kind].slice(count * index, count) for index, (place, kind) in enumerate(kinds)}


def _narrow(layout: Layout, raw: Bytes, place: int, gone: pa.Buffer | None) -> pa.Array:
    one, start, count = layout.dtypes[place], layout.offsets[place], len(raw)
    if one.kind == "boolean":
        held = pa.py_buffer(np.packbits(raw[:, start] != 0, bitorder="little"))
        return pa.Array.from_buffers(layout.types[place], count, [gone, held])
    length = 16 if one.kind == "decimal" else 4 * one.size
    held = pa.py_buffer(np.ascontiguousarray(raw[:, start : start + length]))
    if one.kind == "decimal":
        return pa.Array.from_buffers(layout.types[place], count, [gone, held])
    inner = pa.Array.from_buffers(pa.float32(), count * one.size, [None, held])
    return pa.Array.from_buffers(layout.types[place], count, [gone], children=[inner])


def _texts(layout: Layout, rows: Sequence[bytes], raw: Bytes) -> pa.Array:
    """All texts of all rows, one row after the other."""
    start, width = layout.offsets[layout.texts[0]], len(layout.texts)
    lengths = np.ascontiguousarray(raw[:, start : start + 4 * width]).view(np.uint32)
    ends = np.zeros(lengths.size + 1, np.int64)
    np.cumsum(lengths.ravel(), out=ends[1:])
    held = b"".join([row[layout.size :] for row in rows])
    return pa.Array.from_buffers(pa.large_string(), lengths.size, [None, pa.py_buffer(ends), pa.py_buffer(held)])


def _text(texts: pa.Array, index: int, width: int, gone: pa.Buffer | None) -> pa.Array:
    chosen = texts.take(pa.array(np.arange(index, len(texts), width))).cast(pa.string())
    _, ends, held = chosen.buffers()
    return pa.Array.from_buffers(pa.string(), len(chosen), [gone, ends, held])
