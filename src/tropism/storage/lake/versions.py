"""What the lake says about its tables."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class TableVersion(msgspec.Struct, frozen=True):
    """One state of a table, to read again later.

    `version` is Delta's number, -1 for a table that did not exist. `positions` says how far each writer's rows
    were in it: rows are only ever added in order, so these positions name the same rows in every later version,
    after compaction too and after old versions were let go. None when rows were appended without positions;
    then only `version` tells.
    """

    version: int
    positions: dict[str, int] | None = None


ABSENT = TableVersion(-1, {})


class Appended(NamedTuple):
    """What an append did: the table's version after it, and how many rows were new."""

    version: int
    rows: int


class Maintained(NamedTuple):
    """What maintenance did: small files merged, and files deleted that no kept version needs."""

    merged: int
    deleted: int
