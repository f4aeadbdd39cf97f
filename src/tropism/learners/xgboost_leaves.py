"""Which leaf a row comes to in each tree, from LightGBM's predictor through its C interface."""

from __future__ import annotations

import ctypes
import struct
import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import Fault, NotReady
from tropism.learners.native_booster import check, free_booster, library, load_booster, short_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tropism.learners.base import Floats

_FLOAT32, _ROW_MAJOR, _LEAVES, _ALL_TREES = 0, 1, 2, -1
_SETTINGS = b"num_threads=1"


class NativeLeaves:
    """Trees in native memory that take numbers in single precision. Safe from any thread, as `NativeBooster` is."""

    def __init__(self, text: bytes, width: int, trees: int) -> None:
        """Loads audited LightGBM text of so many trees over `width` columns.

        Raises:
            ArtifactRefused: LightGBM cannot read it.
        """
        self._handle: _Handle | None = _Handle(text, width, trees)

    def leaves(self, values: Sequence[float]) -> Floats:
        """The number of the leaf in each tree (1, trees) of one row.

        Raises:
            OverflowError: a number is too large for single precision.
        """
        return self._open().leaves(values)

    def all_leaves(self, matrix: npt.NDArray[np.float32]) -> Floats:
        """The same of each row (n, trees) of a matrix (n, width)."""
        return self._open().all_leaves(matrix)

    def close(self) -> None:
        """Lets the native memory go. Calls made later raise `NotReady`."""
        self._handle = None

    def _open(self) -> _Handle:
        handle = self._handle  # a running call keeps its own reference: the memory outlives it
        if handle is None:
            raise NotReady("the model was closed", Fault("model", "closed", "load it again"))
        return handle


class _Handle:
    """Owns the native trees, their single-row configuration and the buffers of that."""

    def __init__(self, text: bytes, width: int, trees: int) -> None:
        self._lib = library()
        self._width, self._trees = width, trees
        self._booster = load_booster(self._lib, text)
        self._fast = ctypes.c_void_p()
        weakref.finalize(self, free_booster, self._lib, self._booster, self._fast).atexit = False
        check(
            self._lib,
            self._lib.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster, _LEAVES, 0, _ALL_TREES, _FLOAT32, width, _SETTINGS, ctypes.byref(self._fast)
            ),
        )
        self._lock = threading.Lock()
        numbers = struct.Struct(f"={width}f")
        self._pack, self._input = numbers.pack_into, ctypes.create_string_buffer(numbers.size)
        self._output, self._length = np.empty((1, trees)), ctypes.c_int64()
        self._call = short_call()
        self._addresses = (
            self._fast.value,
            ctypes.addressof(self._input),
            ctypes.addressof(self._length),
            self._output.ctypes.data,
        )

    def leaves(self, values: Sequence[float]) -> Floats:
        with self._lock:
            self._pack(self._input, 0, *values)
            if self._call(*self._addresses):
                check(self._lib, -1)
            return self._output.copy()

    def all_leaves(self, matrix: npt.NDArray[np.float32]) -> Floats:
        rows, width = matrix.shape
        if width != self._width:
            raise ValueError(f"{width} columns for a model of {self._width}")
        out = np.empty((rows, self._trees))
        if rows == 0:
            return out
        data, length = np.ascontiguousarray(matrix, np.float32), ctypes.c_int64()
        code = self._lib.LGBM_BoosterPredictForMat(
            self._booster,
            data.ctypes.data,
            _FLOAT32,
            rows,
            width,
            _ROW_MAJOR,
            _LEAVES,
            0,
            _ALL_TREES,
            _SETTINGS,
            ctypes.byref(length),
            out.ctypes.data,
        )
        check(self._lib, code)
        return out
