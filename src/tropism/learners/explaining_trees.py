"""What must be known of a LightGBM model before its contributions are asked for."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from tropism.core.errors import Fault, InvalidInput

MOST_DEPTH = 512
"""TreeSHAP takes 16 bytes times the square of it a row, and recurses as deep."""
_LEFT, _RIGHT = (re.compile(rb"^%s_child=(.*)$" % side, re.MULTILINE) for side in (b"left", b"right"))


def rounds_averaged(text: bytes, outputs: int) -> int:
    """What the contributions of audited model text are divided by: its rounds for a forest, else 1.

    LightGBM averages a forest's scores but not its contributions.

    Raises:
        InvalidInput: a tree is deeper than `MOST_DEPTH`.
    """
    for left, right in zip(_LEFT.findall(text), _RIGHT.findall(text), strict=True):
        if _depth(_numbers(left), _numbers(right)) > MOST_DEPTH:
            fix = f"train with max_depth={MOST_DEPTH} or less, or ask without explanations"
            raise InvalidInput(
                "the model's trees are too deep to be explained", Fault("explain", f"over {MOST_DEPTH} levels", fix)
            )
    head = text[: text.index(b"\n\n") + 1]
    return text.count(b"\nTree=") // outputs if b"\naverage_output\n" in head else 1


def _numbers(text: bytes) -> npt.NDArray[np.int64]:
    return np.array(text.split(), np.int64)


def _depth(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> int:
    """Levels below the root; counting stops beyond `MOST_DEPTH`."""
    depth, level = 0, np.zeros(min(1, len(left)), np.int64)
    while len(level) and depth <= MOST_DEPTH:
        below = np.concatenate([left[level], right[level]])
        depth, level = depth + 1, below[below >= 0]
    return depth
