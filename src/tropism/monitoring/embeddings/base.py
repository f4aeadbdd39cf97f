"""What keeps vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float32]
Metric = Literal["l2", "cosine"]


class Near(NamedTuple):
    """A vector that was found, and how far it is: Euclidean distance, or 1 less the cosine."""

    id: str
    distance: float


class Vectors(ABC):
    """Vectors of one width under ids, in a collection of their own.

    Callers may rely on: values are kept as float32; a vector put under an id that is there replaces it; `put` is whole
    or not at all; the search is exact, and what is equally far comes in the order of ids; several processes may use a
    collection at once.
    """

    def __init__(self, collection: str, width: int, stored: int | None) -> None:
        """`stored`: the width of vectors that are there. Raises InvalidInput when it is another."""
        if stored not in (None, width):
            fault = Fault("width", str(width), f"use {stored}, or another collection")
            raise InvalidInput(f"the collection '{collection}' holds vectors of another width", fault)
        self.collection, self.width = collection, width

    @abstractmethod
    def put(self, ids: Sequence[str], vectors: Floats) -> None:
        """Keeps vectors (n, width) under ids, each named once. Raises InvalidInput."""

    @abstractmethod
    def nearest(self, vector: Floats, k: int = 10, metric: Metric = "l2") -> list[Near]:
        """The at most `k` vectors nearest to one (width,), the nearest first. Raises InvalidInput.

        To a cosine, a vector of zeros is at distance 1 from every other.
        """

    @abstractmethod
    def mean(self) -> NDArray[np.float64] | None:
        """Mean of all vectors (width,), None when there are none."""

    @abstractmethod
    def count(self) -> int:
        """How many there are."""

    def checked(self, vectors: Floats, ids: Sequence[str] | None = None) -> Floats:
        """`vectors` as float32, of the right shape and finite. Raises InvalidInput."""
        with np.errstate(over="ignore"):  # told below
            found = np.asarray(vectors, np.float32)
        shape = (self.width,) if ids is None else (len(ids), self.width)
        if found.shape != shape:
            raise InvalidInput("vectors of another shape", Fault("vectors", str(found.shape), f"give {shape}"))
        if not np.isfinite(found).all():
            fault = Fault("vectors", "NaN, or infinite as float32", "leave such rows out")
            raise InvalidInput("vectors that are no numbers", fault)
        if ids is not None and len(set(ids)) < len(ids):
            raise InvalidInput("an id comes twice", Fault("ids", str(len(ids)), "name each once"))
        return found
