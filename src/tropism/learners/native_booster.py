"""LightGBM's predictor through its C interface.

Why not `lightgbm.Booster`: importing that package imports scikit-learn, SciPy and pandas where they are installed
(over a second and 100 MB in every serving process), and `Booster.predict` spends six times longer on its checks
than on the trees of one row. The functions used here are the ones `Booster` calls, so the scores have equal bits.
https://lightgbm.readthedocs.io/en/stable/C-API.html

The native parser trusts its input. Only text that `lightgbm_text.audit` passed may come here.
"""

from __future__ import annotations

import ctypes
import struct
import threading
import weakref
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.core.courtesy import give_way
from tropism.core.errors import ArtifactRefused, Fault, MissingExtra, NotReady

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.base import Floats

_FLOAT64, _ROW_MAJOR, _NORMAL, _CONTRIBUTIONS, _ALL_TREES = 1, 1, 0, 3, -1
_SETTINGS = "num_threads=1"
_FILES = ("lib/lib_lightgbm.so", "lib/lib_lightgbm.dylib", "lib/lib_lightgbm.dll", "bin/lib_lightgbm.dll")


class NativeBooster:
    """A LightGBM model in native memory. Safe from any thread; one row at a time is scored, batches run side by side.

    The memory is freed when `close` was called, or the object is dropped, and the last running call has returned.
    """

    def __init__(self, text: bytes, width: int, outputs: int, settings: str = "") -> None:
        """Loads audited model text that takes `width` columns and gives `outputs` scores.

        `settings`: further prediction parameters of LightGBM, as `name=value` words.

        Raises:
            ArtifactRefused: LightGBM cannot read it.
        """
        self._handle: _Handle | None = _Handle(text, width, outputs, f"{_SETTINGS} {settings}".strip())

    def predict(self, matrix: Floats) -> Floats:
        """Scores (n, outputs) of a matrix (n, width)."""
        return self._open().predict(matrix)

    def score(self, values: Sequence[float]) -> Floats:
        """Scores (1, outputs) of one row, by the short way."""
        return self._open().score(values)

    def contributions(self, matrix: Floats) -> Floats:
        """What each column adds to the raw scores (n, outputs, width + 1), and last the expected score (TreeSHAP).

        Lundberg, Erion, Lee, Consistent Individualized Feature Attribution for Tree Ensembles, 2018. Summed over the
        trees, for forests too. Time and memory grow with the square of the depth, and the native code recurses.
        """
        return self._open().contributions(matrix)

    def close(self) -> None:
        """Lets the native memory go. Calls made later raise `NotReady`."""
        self._handle = None

    def _open(self) -> _Handle:
        handle = self._handle  # a running call keeps its own reference: the memory outlives it
        if handle is None:
            raise NotReady("the model was closed", Fault("model", "closed", "load it again"))
        return handle


class _Handle:
    """Owns the native booster, its single-row configuration and the buffers of that."""

    def __init__(self, text: bytes, width: int, outputs: int, settings: str) -> None:
        self._lib = library()
        self._width, self._outputs, self._settings = width, outputs, settings.encode("ascii")
        give_way()
        self._booster = load_booster(self._lib, text)
        give_way()
        self._fast = ctypes.c_void_p()
        weakref.finalize(self, free_booster, self._lib, self._booster, self._fast).atexit = False
        check(
            self._lib,
            self._lib.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster, _NORMAL, 0, _ALL_TREES, _FLOAT64, width, self._settings, ctypes.byref(self._fast)
            ),
        )
        self._lock, self._explaining = threading.Lock(), threading.Lock()
        self._input, self._output = ctypes.create_string_buffer(8 * width), np.empty((1, outputs))
        self._length = ctypes.c_int64()
        self._pack = struct.Struct(f"={width}d").pack_into
        self._call = short_call()
        self._addresses = (
            self._fast.value,
            ctypes.addressof(self._input),
            ctypes.addressof(self._length),
            self._output.ctypes.data,
        )

    def score(self, values: Sequence[float]) -> Floats:
        with self._lock:
            self._pack(self._input, 0, *values)
            if self._call(*self._addresses):
                check(self._lib, -1)
            return self._output.copy()

    def predict(self, matrix: Floats) -> Floats:
        return self._ask(_NORMAL, matrix, np.empty((len(matrix), self._outputs)))

    def contributions(self, matrix: Floats) -> Floats:
        with self._explaining:  # the first call works out the depths of the trees and keeps them, without a lock
            return self._ask(_CONTRIBUTIONS, matrix, np.empty((len(matrix), self._outputs, self._width + 1)))

    def _ask(self, what: int, matrix: Floats, out: Floats) -> Floats:
        rows, width = matrix.shape
        if width != self._width:
            raise ValueError(f"{width} columns for a model of {self._width}")
        if rows == 0:
            return out
        data, length = np.ascontiguousarray(matrix, np.float64), ctypes.c_int64()
        code = self._lib.LGBM_BoosterPredictForMat(
            self._booster,
            data.ctypes.data,
            _FLOAT64,
            rows,
            width,
            _ROW_MAJOR,
            what,
            0,
            _ALL_TREES,
            self._settings,
            ctypes.byref(length),
            out.ctypes.data,
        )
        check(self._lib, code)
        return out


@cache
def library() -> ctypes.CDLL:
    """LightGBM's shared library, loaded without importing its Python package where that is possible.

    Raises:
        MissingExtra: LightGBM is not installed.
    """
    spec = find_spec("lightgbm")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("LightGBM is not installed", Fault("lightgbm", "", "install it: pip install lightgbm"))
    folder = Path(spec.submodule_search_locations[0])
    found = [folder / name for name in _FILES if (folder / name).is_file()]
    if found:
        lib = ctypes.CDLL(str(found[0]))
    else:  # installed by another packager, who keeps the library elsewhere: the package knows where
        from lightgbm import basic

        lib = ctypes.CDLL(basic._LIB._name)  # type: ignore[attr-defined]
    _declare(lib)
    return lib


@cache
def short_call() -> Any:
    """LightGBM's function for one row, called without letting go of the interpreter: it takes microseconds, and to get
    the interpreter back from a busy thread takes longer."""
    found = ctypes.PyDLL(library()._name, handle=library()._handle).LGBM_BoosterPredictForMatSingleRowFast
    found.argtypes = [ctypes.c_void_p] * 4
    return found


def _declare(lib: ctypes.CDLL) -> None:
    pointer: type[Any] = ctypes.c_void_p
    number: type[Any] = ctypes.c_int
    text: type[Any] = ctypes.c_char_p
    lib.LGBM_GetLastError.restype = text
    lib.LGBM_GetMaxThreads.argtypes = [pointer]
    lib.LGBM_SetMaxThreads.argtypes = [number]
    lib.LGBM_BoosterLoadModelFromString.argtypes = [text, pointer, pointer]
    lib.LGBM_BoosterFree.argtypes = [pointer]
    lib.LGBM_FastConfigFree.argtypes = [pointer]
    fast_init: list[Any] = [pointer, number, number, number, number, ctypes.c_int32, text, pointer]
    lib.LGBM_BoosterPredictForMatSingleRowFastInit.argtypes = fast_init
    bulk: list[Any] = [pointer, pointer, number, ctypes.c_int32, ctypes.c_int32, number, number, number, number, text]
    lib.LGBM_BoosterPredictForMat.argtypes = [*bulk, pointer, pointer]


def load_booster(lib: ctypes.CDLL, text: bytes) -> ctypes.c_void_p:
    """A native booster of audited text, to be freed by `free_booster`."""
    booster, rounds, threads = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
    # Trees are parsed in parallel otherwise, and the pool of threads that this starts does not survive a fork.
    lib.LGBM_GetMaxThreads(ctypes.byref(threads))
    lib.LGBM_SetMaxThreads(1)
    try:
        check(lib, lib.LGBM_BoosterLoadModelFromString(text, ctypes.byref(rounds), ctypes.byref(booster)))
    finally:
        lib.LGBM_SetMaxThreads(threads)
    return booster


def free_booster(lib: ctypes.CDLL, booster: ctypes.c_void_p, fast: ctypes.c_void_p) -> None:
    """Frees a booster and the single-row configuration that goes with it, if there is one."""
    if fast.value:
        lib.LGBM_FastConfigFree(fast)
    lib.LGBM_BoosterFree(booster)


def check(lib: ctypes.CDLL, code: int) -> None:
    """Raises `ArtifactRefused` with LightGBM's words when a call failed."""
    if code != 0:
        said = lib.LGBM_GetLastError().decode(errors="replace")
        raise ArtifactRefused("LightGBM cannot use the model", Fault("model.txt", said, "train the model again"))
