from __future__ import annotations

import json

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.learners.tensors import read_tensors, write_tensors

SHAPES: dict[str, tuple[int, ...]] = {"weights": (2, 3), "intercept": (2,)}
TENSORS = {"weights": np.arange(6.0).reshape(2, 3) / 7, "intercept": np.array([0.1, -0.2])}


def raw(header: object, body: bytes = b"\0" * 64) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(shape: list[int], start: int, end: int, dtype: str = "F64") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_what_is_written_is_read_to_the_last_bit() -> None:
    read = read_tensors(write_tensors(TENSORS), SHAPES)
    assert {name: array.tobytes() for name, array in read.items()} == {k: v.tobytes() for k, v in TENSORS.items()}


GOOD = {"weights": entry([2, 3], 0, 48), "intercept": entry([2], 48, 64)}


def test_the_hand_made_file_is_sound() -> None:
    assert read_tensors(raw(GOOD), SHAPES)["weights"].shape == (2, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\2\3",
        (2**63).to_bytes(8, "little"),
        write_tensors(TENSORS)[:-1],
        write_tensors(TENSORS) + b"x",
        raw(b"not json"),
        raw({**GOOD, "__metadata__": {"a": "b"}}),
        raw({**GOOD, "more": entry([0], 64, 64)}),
        raw({"weights": GOOD["weights"]}),
        raw({**GOOD, "weights": entry([3, 2], 0, 48)}),
        raw({**GOOD, "weights": entry([2, 3], 0, 48, "I64")}),
        raw({**GOOD, "weights": entry([2, 3], 16, 64)}),
        raw({**GOOD, "intercept": entry([2], 0, 16)}),
        raw({**GOOD, "intercept": entry([2], 48, 2**62)}),
        raw(GOOD, np.full(8, np.nan).tobytes()),
        raw(GOOD, np.full(8, np.inf).tobytes()),
        raw(json.dumps(GOOD).encode() + b" " * 70_000),
    ],
    ids=range(17),
)
def test_a_malformed_file_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactRefused):
        read_tensors(data, SHAPES)
