"""One column a category."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.features.transformations.base import Checked, OneColumn, TrainingRows, named
from tropism.features.transformations.values import CATEGORIES, categories, category

if TYPE_CHECKING:
    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Row

MOST_CATEGORIES = 1_024


class OneHot(OneColumn, frozen=True, tag="one-hot"):
    """1 in the column of the value's category and 0 in the others; all are 0 where the value is missing.

    The outputs are `name=category`, and `name_other` for every other category. `categories`: those to have, or none to
    learn the `most` frequent ones of the training rows (of equally frequent ones the first by the alphabet); those that
    are learned are no outputs before it is fitted, so that nothing in a pipeline can read them. `name`: the column.

    >>> OneHot("card", categories=("credit", "debit")).fit_given().apply_row({"card": "gift"})
    {'card=credit': 0, 'card=debit': 0, 'card_other': 1}
    """

    categories: tuple[str, ...] = ()
    most: int = 32
    name: str = ""

    def _faults(self) -> list[Fault]:
        faults = named(self, self.column)
        if len(set(self.categories)) < len(self.categories) or len(self.categories) > MOST_CATEGORIES:
            fix = f"name at most {MOST_CATEGORIES}, each once"
            faults.append(Fault("categories", repr(self.categories)[:80], fix))
        if not 1 <= self.most <= MOST_CATEGORIES:
            faults.append(Fault("most", str(self.most), f"use 1 to {MOST_CATEGORIES}"))
        return faults

    @property
    def kinds(self) -> tuple[str, ...]:
        return CATEGORIES

    @property
    def outputs(self) -> dict[str, str]:
        return dict.fromkeys([*(f"{self.name}={one}" for one in self.categories), f"{self.name}_other"], "integer")

    def fit_given(self) -> FittedOneHot:
        """Given categories need no rows."""
        return FittedOneHot(self, self.categories)

    def fit(self, rows: TrainingRows) -> FittedOneHot:
        found = categories(rows.table, self.column)
        if self.categories:
            return self.fit_given()
        counts = [(-one["counts"], one["values"]) for one in found.drop_null().value_counts().to_pylist()]
        if not counts:
            fault = Fault(self.column, f"{len(found)} rows without a value", "name the categories, or leave it out")
            raise DataInvalid(f"the column '{self.column}' has nothing to learn from", fault)
        return FittedOneHot(self, tuple(value for _, value in sorted(counts)[: self.most]))


class FittedOneHot(Checked, frozen=True, tag="one-hot-fitted"):
    """`categories`: those that have a column, in its order."""

    declared: OneHot
    categories: tuple[str, ...]

    def _faults(self) -> list[Fault]:
        if len(set(self.categories)) == len(self.categories) <= MOST_CATEGORIES:
            return []
        return [Fault("categories", repr(self.categories)[:80], f"name at most {MOST_CATEGORIES}, each once")]

    @cached_property
    def outputs(self) -> dict[str, str]:
        name = self.declared.name
        return dict.fromkeys([*(f"{name}={one}" for one in self.categories), f"{name}_other"], "integer")

    @cached_property
    def _columns(self) -> dict[str, str]:
        return dict(zip(self.categories, self.outputs, strict=False))

    def apply(self, table: pa.Table) -> Columns:
        found = categories(table, self.declared.column)
        places = pc.index_in(found, pa.array(self.categories, pa.string()))
        # One more than the last is another category, two more is none at all.
        places = pc.if_else(found.is_null(), len(self.categories) + 1, pc.fill_null(places, len(self.categories)))
        hot = places.to_numpy(zero_copy_only=False)
        return {name: pa.array((hot == place).astype(np.int64)) for place, name in enumerate(self.outputs)}

    def apply_row(self, row: Row) -> Values:
        value = category(row, self.declared.column)
        found: Values = dict.fromkeys(self.outputs, 0)
        if value is not None:
            found[self._columns.get(value, f"{self.declared.name}_other")] = 1
        return found
