"""How a member that wants standardised columns reads the codes of its ensemble.

An ensemble takes one number a feature (style `codes`). A member in style `standard` brings an encoding of its own,
in which the categories are those codes, written as four digits so that their order is that of the numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tropism.learners.encoding import MOST_CATEGORIES, NAN, UNSEEN, Column, Encoding, EncodingFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Feature
    from tropism.learners.base import Floats

_DIGITS = 4


class Spreading:
    """Spreads codes (n, features) to a member's columns (n, width), to the bits its model would have alone."""

    def __init__(self, facts: EncodingFacts) -> None:
        """Takes facts that `sound` has passed."""
        self.facts = facts
        self._encoding = Encoding(facts)
        self._places = {index: moved for index, column in enumerate(facts.columns) if (moved := _moved(column))}
        self._tables = {index: _table(places) for index, places in self._places.items()}
        names = [column.name for column in facts.columns]
        self.owners = np.array([names.index(owner) for owner in self._encoding.owners], np.intp)

    @classmethod
    def fit(cls, features: Sequence[Feature], codes: Floats) -> Spreading:
        """Learns means, scales and the categories to keep from the codes (n, features) of training rows."""
        import pyarrow as pa  # serving does not need it

        columns = {}
        for feature, values in zip(features, codes.T, strict=True):
            columns[feature.name] = pa.array(values)
            if feature.type == "category":  # NaN, missing, is not at least 0 either
                texts = [f"{int(code):0{_DIGITS}d}" if code >= 0 else None for code in values.tolist()]
                columns[feature.name] = pa.array(texts, pa.string())
        return cls(Encoding.fit(features, pa.table(columns), "standard").facts)

    @property
    def width(self) -> int:
        return self._encoding.width

    def matrix(self, codes: Floats) -> Floats:
        """The member's columns (n, width) of codes (n, features)."""
        if self._tables:
            codes = codes.copy()
        for index, table in self._tables.items():
            values = codes[:, index]
            known = (values >= 0) & (values < len(table))
            places = np.where(np.isnan(values), NAN, UNSEEN)
            places[known] = table[values[known].astype(np.intp)]
            codes[:, index] = places
        return self._encoding.spread(codes)

    def row(self, values: Sequence[float]) -> list[float]:
        """The member's columns of one row; same bits as `matrix`, at a fraction of its cost."""
        row = list(values)
        for index, places in self._places.items():
            value = row[index]
            row[index] = places.get(value, UNSEEN) if value == value else NAN
        return self._encoding.spread_row(row)


def sound(facts: EncodingFacts, width: int) -> bool:
    """Whether stored facts spread codes of `width` features.

    >>> sound(EncodingFacts("standard", (Column("city", "category", ("0000", "0007")),)), 1)
    True
    >>> sound(EncodingFacts("standard", (Column("city", "category", ("Bern",)),)), 1)
    False
    """
    names = {column.name for column in facts.columns}
    lined_up = facts.style == "standard" and len(facts.columns) == len(names) == width
    return lined_up and all(map(_sound_column, facts.columns))


def _sound_column(column: Column) -> bool:
    kept = column.categories
    codes = all(len(text) == _DIGITS and text.isascii() and text.isdigit() for text in kept)
    known = codes and all(int(text) < MOST_CATEGORIES["codes"] for text in kept)
    few = len(kept) <= (MOST_CATEGORIES["standard"] if column.type == "category" else 0)
    finite = math.isfinite(column.mean) and math.isfinite(column.scale) and column.scale > 0
    return known and few and finite and list(kept) == sorted(set(kept))


def _moved(column: Column) -> dict[float, float]:
    """Places of codes among those kept, where they differ from the codes."""
    places = {float(text): float(place) for place, text in enumerate(column.categories)}
    return places if any(code != place for code, place in places.items()) else {}


def _table(places: dict[float, float]) -> Floats:
    table = np.full(int(max(places)) + 1, UNSEEN)
    for code, place in places.items():
        table[int(code)] = place
    return table
