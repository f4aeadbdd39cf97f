"""The short way of a request: one compiled reading of its body, for requests that hold nothing unusual.

A lane is compiled for one task and one version. It reads the JSON of a body straight into a struct of the task's
features and takes numbers from there; anything that would need a word to the caller (a value missing, a default, a
category never seen, a field too many, a fault) makes it give up, and the request goes the long way, which finds
and says what is the matter. So both ways give the same answers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import numpy as np

from tropism.serving.rows import LARGEST, MOST_TEXT
from tropism.serving.telling import teller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Feature, Task
    from tropism.learners.base import Floats
    from tropism.learners.encoding import Column
    from tropism.serving.telling import Teller

# Not the limit itself: whole numbers a little beyond it are rounded to it.
_NUMBER = Annotated[float, msgspec.Meta(gt=-LARGEST, lt=LARGEST)]
_CATEGORY = Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
_TEXT = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_TYPES: dict[str, Any] = {"number": _NUMBER, "category": _CATEGORY, "boolean": bool}
_MANY = b"instances"
_values: Callable[[Any], tuple[Any, ...]] = msgspec.structs.astuple


class Asked(NamedTuple):
    """The rows of a request. `elements` are structs with `entity` and `unit`; `many`: as `instances`.

    `rows`: values as they were sent, in the order of the task's features. `codes`: as the model's encoding has them.
    `named`: whether any has an entity or a unit.
    """

    elements: Sequence[Any]
    rows: list[tuple[Any, ...]]
    codes: Sequence[Sequence[float]]
    many: bool
    named: bool


class Lane:
    """Reads the requests of a task for one model. For any thread."""

    def __init__(self, task: Task, columns: Sequence[Column], version: int = 0) -> None:
        """`columns`: how the model encodes each feature, in its own order. `version`: the model's.

        Raises:
            KeyError: the model has a column that the task has not.
        """
        row = msgspec.defstruct(
            "Row",
            [(f"f{place}", _TYPES[one.type], msgspec.field(name=one.name)) for place, one in enumerate(task.features)],
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
        )
        optional = [(name, _TEXT | None, None) for name in ("entity", "unit")]
        element = msgspec.defstruct(
            "Element", [("features", row), *optional], forbid_unknown_fields=True, frozen=True, gc=False
        )
        filled = Annotated[list[element], msgspec.Meta(min_length=1)]  # type: ignore[valid-type]
        whole = msgspec.defstruct("Whole", [("instances", filled)], forbid_unknown_fields=True)
        self._one: Callable[[bytes], Any] = msgspec.json.Decoder(element).decode
        self._many: Callable[[bytes], Any] = msgspec.json.Decoder(whole).decode
        self._colons = len(task.features) + 1
        self._codes = _coder(task.features, columns)
        self.names = task.feature_names
        self._tellers: dict[str, Teller] = {}
        self._telling = partial(teller, task, version)

    def tell(self, variant: str) -> Teller:
        """What tells of predictions with this variant; compiled once."""
        found = self._tellers.get(variant)
        if found is None:
            found = self._tellers[variant] = self._telling(variant)
        return found

    def code(self, asked: Asked) -> Asked | None:
        """The same rows in this model's codes, as another lane to the task has read them; None if it does not know a
        category of theirs."""
        try:
            return asked._replace(codes=self._codes(asked.rows))
        except KeyError:
            return None

    def read(self, body: bytes) -> Asked | None:
        """The rows in a body; None if there is anything to say of them."""
        many = _MANY in body[:32]
        try:
            elements: Sequence[Any] = self._many(body).instances if many else (self._one(body),)
            rows = [_values(element.features) for element in elements]
            codes = self._codes(rows)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return None
        # As many colons as there are names, each of which is there: so no name was sent twice.
        more = body.count(b":") - many - self._colons * len(elements)
        if more and more != sum((one.entity is not None) + (one.unit is not None) for one in elements):
            return None
        return Asked(elements, rows, codes, many, more > 0)


def matrix(rows: Sequence[Sequence[float]]) -> Floats:
    """Rows as one matrix (n, width)."""
    packed = struct.pack(f"={len(rows) * len(rows[0])}d", *chain.from_iterable(rows))
    return np.frombuffer(packed, np.float64).reshape(len(rows), len(rows[0]))


def _coder(
    features: Sequence[Feature], columns: Sequence[Column]
) -> Callable[[list[tuple[Any, ...]]], Sequence[Sequence[float]]]:
    """Rows as the encoding's codes. Raises `KeyError` for a category that the model does not know."""
    places = {feature.name: place for place, feature in enumerate(features)}
    if [column.name for column in columns] == list(places) and all(one.type != "category" for one in columns):
        return lambda rows: rows
    known = {
        column.name: {text: float(code) for code, text in enumerate(column.categories)}
        for column in columns
        if column.type == "category"
    }
    plan = [(places[column.name], known.get(column.name)) for column in columns]

    def codes(rows: list[tuple[Any, ...]]) -> list[Sequence[float]]:
        return [[row[place] if table is None else table[row[place]] for place, table in plan] for row in rows]

    return codes
