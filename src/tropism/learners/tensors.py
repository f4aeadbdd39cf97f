"""Small dense models as safetensors, with a reader that checks the header before a tensor is made.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from safetensors.numpy import load, save

from tropism.core.errors import ArtifactRefused, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.learners.base import Floats

MOST_HEADER = 64 * 1024
_PREFIX = 8


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def write_tensors(tensors: Mapping[str, Floats]) -> bytes:
    """Float64 arrays as one safetensors file."""
    return save({name: np.ascontiguousarray(array, np.float64) for name, array in tensors.items()})


def read_tensors(data: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Exactly the float64 tensors named in `shapes`.

    Raises:
        ArtifactRefused: other names, types, shapes or sizes, or a number that is not finite.
    """
    length = int.from_bytes(data[:_PREFIX], "little")
    if len(data) < _PREFIX or length > MOST_HEADER or _PREFIX + length > len(data):
        raise _refused("header", f"{length} bytes", "the file is cut off, or its header too long")
    try:
        header = msgspec.json.decode(data[_PREFIX : _PREFIX + length], type=dict[str, _Tensor])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused("header", str(error), "the header must describe tensors only") from error
    if header.keys() != shapes.keys():
        raise _refused("header", ", ".join(sorted(header))[:200], f"it must hold: {', '.join(sorted(shapes))}")
    end = 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1].data_offsets):
        shape, size = shapes[name], 8 * prod(shapes[name])
        if tensor.dtype != "F64" or tuple(tensor.shape) != shape or tensor.data_offsets != (end, end + size):
            raise _refused(name, f"{tensor.dtype} {tensor.shape} at {tensor.data_offsets}", f"it must be F64 {shape}")
        end += size
    if _PREFIX + length + end != len(data):
        raise _refused("size", f"{len(data)} bytes", f"it must be {_PREFIX + length + end}")
    tensors: dict[str, Floats] = load(data)
    for name, array in tensors.items():
        if not np.all(np.isfinite(array)):
            raise _refused(name, "a number that is not finite", "it must be finite numbers")
    return tensors


def _refused(field: str, value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the safetensors file is malformed and was not loaded", Fault(field, value, fix))
