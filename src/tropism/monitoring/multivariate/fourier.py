"""The mean embedding of a distribution of vectors in a few numbers that add up.

Random Fourier features (Rahimi and Recht, Random Features for Large-Scale Kernel Machines, NIPS 2007) turn a vector
into `size` numbers whose inner product approximates the Gaussian kernel. The squared distance between two means of
them approximates the squared maximum mean discrepancy (Gretton et al., A Kernel Two-Sample Test, JMLR 13, 2012): it is
0 only where the distributions agree, as far as the features see, and 2 where nothing overlaps.
"""

from __future__ import annotations

from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from tropism.core.errors import Fault, InvalidInput
from tropism.monitoring.multivariate.blocks import Blocks

Floats = NDArray[np.float64]
SIZE = 256
_PAIRED = 500
_CHUNK = 4_096


class Fourier(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Frozen from the reference: how vectors of `width` numbers become `size` numbers. Plain data; nothing is stored.

    The directions are drawn with NumPy's legacy generator, whose stream NumPy guarantees not to change (NEP 19): a
    state kept for years is still comparable.

    >>> fourier = Fourier.freeze(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]))
    >>> first, second = fourier.state(np.zeros((3, 2))), fourier.state(np.ones((1, 2)))
    >>> float((first + second)[-1]), (first + second).shape
    (4.0, (257,))
    >>> bool(np.allclose(first + second, fourier.state(np.array([[0.0, 0.0]] * 3 + [[1.0, 1.0]]))))
    True
    """

    width: int
    bandwidth: float
    seed: int = 0
    size: int = SIZE

    @classmethod
    def freeze(cls, vectors: Floats, seed: int = 0, size: int = SIZE) -> Fourier:
        """Its bandwidth is the median distance between 500 evenly spaced vectors (n, width) of the reference.

        Raises:
            InvalidInput: fewer than two different vectors.
        """
        few = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), _PAIRED)).astype(np.int64)]
        distances = pdist(few) if len(few) > 1 else np.zeros(1)
        # More than half of them may be equal.
        bandwidth = float(np.median(distances)) or float(distances.mean())
        if bandwidth == 0:
            fix = "compare columns whose vectors differ"
            raise InvalidInput("the vectors are all the same", Fault("vectors", str(len(vectors)), fix))
        return cls(width=vectors.shape[1], bandwidth=bandwidth, seed=seed, size=size)

    @cached_property
    def _directions(self) -> Floats:
        drawn = np.random.RandomState(self.seed).normal(size=(self.width, self.size // 2))
        return np.asarray(drawn / self.bandwidth, np.float64)

    def features(self, vectors: Floats) -> Floats:
        """Features (n, size) of vectors (n, width); each row has length 1."""
        angles = vectors @ self._directions
        found: Floats = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(self.size // 2)
        return found

    def state(self, vectors: Floats) -> Floats:
        """The sums of the features, and last how many vectors there were (size + 1,). States merge by addition."""
        total = np.zeros(self.size + 1)
        for start in range(0, len(vectors), _CHUNK):
            total[:-1] += self.features(vectors[start : start + _CHUNK]).sum(axis=0)
        total[-1] = len(vectors)
        return total


def discrepancy(reference: Floats, current: Floats) -> float:
    """Squared maximum mean discrepancy, 0 to 2, between two states (size + 1,) with vectors in both.

    Of n and m vectors from one distribution it is about 1/n + 1/m.
    """
    return float(np.sum((reference[:-1] / reference[-1] - current[:-1] / current[-1]) ** 2))


def as_blocks(reference: Floats, current: Floats) -> Blocks:
    """States of consecutive stretches of time (j, size + 1) and (k, size + 1) as blocks to permute.

    The stretches must be longer than the memory of what they count, such as an hour each; empty ones are left out.
    """
    together = np.concatenate([reference, current])
    filled = together[:, -1] > 0
    is_current = np.arange(len(together)) >= len(reference)
    return Blocks(together[filled, :-1], together[filled, -1], is_current[filled])
