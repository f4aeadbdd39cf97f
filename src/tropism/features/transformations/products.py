"""Products of numbers: powers, and interactions."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations_with_replacement, groupby
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import Fault
from tropism.features.transformations.base import TrainingRows, Transformation, columns_faults, named
from tropism.features.transformations.values import NUMBERS, finite, floats, number, numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Row

MOST_DEGREE = 8
MOST_OUTPUTS = 512


class _Products(Transformation, frozen=True):
    columns: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def kinds(self) -> tuple[str, ...]:
        return NUMBERS

    @property
    def outputs(self) -> dict[str, str]:
        return dict.fromkeys(self._factors, "number")

    @property
    def _factors(self) -> dict[str, tuple[str, ...]]:
        """The columns whose product each output is."""
        raise NotImplementedError

    def apply(self, table: pa.Table) -> Columns:
        read = {name: numbers(table, name) for name in self.columns}
        found = {}
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for name, factors in self._factors.items():
                product = read[factors[0]]
                for factor in factors[1:]:
                    product = product * read[factor]
                found[name] = floats(product)
        return found

    def apply_row(self, row: Row) -> Values:
        read = {name: number(row, name) for name in self.columns}
        found: Values = {}
        for name, factors in self._factors.items():
            product: float | None = 1.0
            for factor in factors:
                value = read[factor]
                product = None if value is None or product is None else product * value
            found[name] = None if product is None else finite(product)
        return found


class Polynomial(_Products, frozen=True, tag="polynomial"):
    """All products of the columns with 2 to `degree` factors, such as `a^2`, `a*b` and `b^2`; the columns themselves
    are there already. Null where a factor is.

    >>> Polynomial(("a", "b"), degree=2).apply_row({"a": 3, "b": 4})
    {'a^2': 9.0, 'a*b': 12.0, 'b^2': 16.0}
    """

    degree: int = 2

    def _faults(self) -> list[Fault]:
        faults = columns_faults(self.columns, least=1)
        if not 2 <= self.degree <= MOST_DEGREE:
            return [*faults, Fault("degree", str(self.degree), f"use 2 to {MOST_DEGREE}")]
        outputs = comb(len(self.columns) + self.degree, self.degree) - len(self.columns) - 1
        if outputs > MOST_OUTPUTS:
            fix = f"name fewer columns, or a lower degree: at most {MOST_OUTPUTS} products"
            return [*faults, Fault("degree", f"{outputs} products", fix)]
        if not faults and len(self._factors) < outputs:  # of a, b, c and a*b
            faults.append(Fault("columns", repr(self.columns)[:80], "leave out what is a product of the others"))
        return faults

    @property
    def declared(self) -> Polynomial:
        return self

    @cached_property
    def _factors(self) -> dict[str, tuple[str, ...]]:
        sizes = range(2, self.degree + 1)
        products = [product for size in sizes for product in combinations_with_replacement(self.columns, size)]
        return {_written(product): product for product in products}

    def fit(self, rows: TrainingRows) -> Polynomial:
        for name in self.columns:
            numbers(rows.table, name)
        return self


class Interaction(_Products, frozen=True, tag="interaction"):
    """The product of the columns; null where a factor is. `name`: the columns joined by `*`.

    >>> Interaction(("a", "b")).apply_row({"a": 3, "b": 4})
    {'a*b': 12.0}
    """

    name: str = ""

    def _faults(self) -> list[Fault]:
        return [*columns_faults(self.columns), *named(self, "*".join(self.columns))]

    @property
    def declared(self) -> Interaction:
        return self

    @cached_property
    def _factors(self) -> dict[str, tuple[str, ...]]:
        return {self.name: self.columns}

    def fit(self, rows: TrainingRows) -> Interaction:
        for name in self.columns:
            numbers(rows.table, name)
        return self


def _written(product: tuple[str, ...]) -> str:
    powers = [(name, len(list(same))) for name, same in groupby(product)]
    return "*".join(name if power == 1 else f"{name}^{power}" for name, power in powers)
