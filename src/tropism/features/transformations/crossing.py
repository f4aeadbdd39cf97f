"""Categories combined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from tropism.core.errors import Fault
from tropism.features.transformations.base import TrainingRows, Transformation, columns_faults, named
from tropism.features.transformations.values import CATEGORIES, categories, category

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Row


class Cross(Transformation, frozen=True, tag="cross"):
    r"""The combination of categories as one text; null where a part is. `|` and `\` in a part have a `\` before them,
    so that different combinations are different texts. `name`: the columns joined by `_x_`.

    >>> Cross(("country", "card")).apply_row({"country": "CH", "card": "debit"})
    {'country_x_card': 'CH|debit'}
    """

    columns: tuple[str, ...]
    name: str = ""

    def _faults(self) -> list[Fault]:
        return [*columns_faults(self.columns), *named(self, "_x_".join(self.columns))]

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def kinds(self) -> tuple[str, ...]:
        return CATEGORIES

    @property
    def outputs(self) -> dict[str, str]:
        return {self.name: "text"}

    @property
    def declared(self) -> Cross:
        return self

    def fit(self, rows: TrainingRows) -> Cross:
        for name in self.columns:
            categories(rows.table, name)
        return self

    def apply(self, table: pa.Table) -> Columns:
        parts = [categories(table, name) for name in self.columns]
        parts = [pc.replace_substring(pc.replace_substring(part, "\\", "\\\\"), "|", "\\|") for part in parts]
        return {self.name: pc.binary_join_element_wise(*parts, "|")}

    def apply_row(self, row: Row) -> Values:
        parts = []
        for name in self.columns:
            part = category(row, name)
            parts.append(None if part is None else part.replace("\\", "\\\\").replace("|", "\\|"))
        known = [part for part in parts if part is not None]
        return {self.name: "|".join(known) if len(known) == len(parts) else None}
