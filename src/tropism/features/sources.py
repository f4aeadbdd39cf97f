"""Where features come from: files, tables and streams, as a project declares them."""

from __future__ import annotations

from typing import Any

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.features.checks.rules import AnyRule
from tropism.features.names import name_faults
from tropism.features.types import type_name

ARRIVAL = "arrived_at"
"""The column of a stream that says when an event arrived, unless another name is given."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="source"):
    """What all sources have in common.

    `timestamp`: the column with the time at which a row became true (event time). `created`: the column with the time
    at which the row was written, where there is one; of rows that became true at the same time the last one written
    counts, and a row is not used before it was written. `rules`: what its values may be, see `checks.rule`.
    """

    timestamp: str
    created: str = ""
    rules: tuple[AnyRule, ...] = ()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "rules", tuple(self.rules))
        faults = [*self._faults()]
        if not self.timestamp:
            faults.append(Fault("timestamp", "''", "name the column that says when a row became true"))
        if self.created and self.created == self.timestamp:
            faults.append(Fault("created", repr(self.created), "name another column, or none"))
        if faults:
            raise InvalidInput(f"the {type(self).__name__} is not valid", *faults)

    def _faults(self) -> list[Fault]:
        return []


class _Files(Source, frozen=True, forbid_unknown_fields=True, tag_field="source"):
    path: str

    def _faults(self) -> list[Fault]:
        return [] if self.path else [Fault("path", "''", "name a file, a folder or a pattern such as data/*.parquet")]


class ParquetSource(_Files, frozen=True, tag="parquet"):
    """Parquet files. `path`: a file, a folder or a pattern, relative to the project.

    >>> ParquetSource("profiles/*.parquet", timestamp="updated_at").path
    'profiles/*.parquet'
    """


class CsvSource(_Files, frozen=True, tag="csv"):
    """CSV files with a header."""


class DeltaSource(_Files, frozen=True, tag="delta"):
    """A Delta table. `path`: its folder or URL."""


class SqlSource(Source, frozen=True, tag="sql"):
    """Rows of a database. `url`: as SQLAlchemy has it; `$NAME` in it is taken from the environment. `query`: a SELECT,
    or the name of a table."""

    url: str
    query: str

    def _faults(self) -> list[Fault]:
        found = [(name, getattr(self, name)) for name in ("url", "query")]
        return [Fault(name, "''", "it cannot be empty") for name, value in found if not value]


class LakeSource(Source, frozen=True, tag="lake"):
    """A table of the project's own lake, such as `predictions` or `outcomes`."""

    table: str

    def _faults(self) -> list[Fault]:
        return [] if self.table else [Fault("table", "''", "name a table of the lake")]


class StreamSource(Source, frozen=True, tag="stream"):
    """Events that are pushed over HTTP or read from a broker. `schema`: the type of each column by name, those of the
    entities' keys and the timestamp among them. `created` is the column that the platform writes an event's arrival
    into; events do not bring it.

    >>> StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": float}).schema["amount"]
    'number'
    """

    name: str
    schema: dict[str, Any]

    def __post_init__(self) -> None:
        schema = {column: type_name(given) for column, given in self.schema.items()}
        if not self.created:
            msgspec.structs.force_setattr(self, "created", ARRIVAL)
        for column in (self.timestamp, self.created):
            schema.setdefault(column, "time")
        msgspec.structs.force_setattr(self, "schema", schema)
        super().__post_init__()

    def _faults(self) -> list[Fault]:
        faults = name_faults("name", self.name)
        faults += [fault for column in self.schema for fault in name_faults("schema", column, column=True)]
        for column in (self.timestamp, self.created):
            if column and self.schema[column] != "time":
                faults.append(Fault(f"schema.{column}", self.schema[column], "a time column is a datetime"))
        for rule in self.rules:
            if rule.column not in self.schema:
                faults.append(Fault("rules", repr(rule.column), "the stream has no such column"))
        return faults


AnySource = ParquetSource | CsvSource | DeltaSource | SqlSource | LakeSource | StreamSource
