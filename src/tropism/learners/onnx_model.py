"""ONNX graphs: the estimator behind learners that are no trees, run by ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tropism.core.errors import ArtifactRefused, Fault, NotReady
from tropism.learners.base import Estimator
from tropism.learners.links import ordered_sum
from tropism.learners.onnx_audit import INPUT, OUTPUT, audit
from tropism.learners.onnx_session import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import numpy.typing as npt

    from tropism.learners.base import Floats, Shape, Times

    Singles = npt.NDArray[np.float32]

FILE = "model.onnx"
MOST_ROWS = 64
"""Rows of one run on the CPU."""
MOST_ROWS_GPU = 4_096
_SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 24, 31, 32, 48, 63, 64)
_LARGEST = np.float64(np.finfo(np.float32).max)


class OnnxModel(Estimator):
    """A graph from `input`, float32 (n, width), to `scores`, float32 (n, outputs).

    Numbers beyond single precision are cut to it. The scores of several classes are scaled to sum to 1.

    On the CPU a row has the same bits alone and among others: rows run at most `MOST_ROWS` at a time, and when a
    model is opened, batches of many sizes up to that are compared with their rows alone. Where they differ on this
    processor, or the graph looks at several rows at once (dynamic quantisation takes its scale from the batch),
    rows run one by one. On a GPU `exact_batches` is False; the kernels for other sizes add in other orders, which
    moves scores by some 1e-6 of their size.
    """

    format: ClassVar[str] = "onnx"
    tolerance: ClassVar[float] = 1e-4

    def __init__(self, data: bytes, shape: Shape, *, enable_gpu: bool = False) -> None:
        """Raises `ArtifactRefused` unless `data` is a sound graph of this shape; see `open_session` for the rest."""
        audit(data, shape)
        self._data, self._shape = data, shape
        self._session: Any = open_session(data, enable_gpu)
        self.exact_batches = not enable_gpu
        rng = np.random.default_rng(0)
        probe = rng.normal(size=(MOST_ROWS, shape.width)).astype(np.float32)
        alone = self._tried(probe)
        self._step = MOST_ROWS_GPU if enable_gpu else self._exact_step(probe, alone)

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape, *, enable_gpu: bool = False) -> Self:
        if files.keys() != {FILE}:
            raise ArtifactRefused(
                "the artifact has the wrong files", Fault("files", str(sorted(files)), f"keep {FILE}")
            )
        return cls(files[FILE], shape, enable_gpu=enable_gpu)

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - the graph has no clock
        if matrix.shape[1] != self._shape.width:
            raise ValueError(f"{matrix.shape[1]} columns for a model of {self._shape.width}")
        # np.clip costs a single row 4 µs more
        single = np.minimum(np.maximum(matrix, -_LARGEST), _LARGEST).astype(np.float32)
        rows = len(single)
        if rows == 0:
            return np.empty((0, self._shape.outputs))
        if rows <= self._step:
            scores = self._run(single)
        else:
            parts = [self._run(single[start : start + self._step]) for start in range(0, rows, self._step)]
            scores = np.concatenate(parts)
        return scores / ordered_sum(scores)[:, None] if self._shape.kind == "multiclass" else scores

    def export(self) -> dict[str, bytes]:
        return {FILE: self._data}

    def close(self) -> None:
        """Lets the session go. Calls made later raise `NotReady`."""
        self._session = None

    def _run(self, rows: Singles) -> Floats:
        session = self._session  # a running call keeps its own reference
        if session is None:
            raise NotReady("the model was closed", Fault("model", "closed", "load it again"))
        return np.asarray(session.run([OUTPUT], {INPUT: rows})[0], np.float64)

    def _tried(self, probe: Singles) -> Floats:
        """Scores of each row alone, of a graph that runs and gives what it should."""
        try:
            alone = np.concatenate([self._run(probe[index : index + 1]) for index in range(len(probe))])
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise _refused(said, "its nodes must take rows of the declared width") from error
        if alone.shape != (len(probe), self._shape.outputs):
            raise _refused(f"scores of shape {alone.shape}", f"it must give {self._shape.outputs} a row")
        if not np.all(np.isfinite(alone)):
            raise _refused("a score that is not finite", "it must give finite scores")
        return alone

    def _exact_step(self, probe: Singles, alone: Floats) -> int:
        """How many rows may run together so that each has the bits that it has alone."""
        same = all(np.array_equal(self._run(probe[-size:]), alone[-size:]) for size in _SIZES)
        return MOST_ROWS if same else 1


def _refused(value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the ONNX model cannot be served", Fault(FILE, value, fix))
