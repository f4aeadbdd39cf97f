"""The SQLite file of a `WindowStore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.storage.kv.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS views (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, applied INTEGER NOT NULL, latest INTEGER,
    known INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS offsets (
    view INTEGER NOT NULL, part TEXT NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (view, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tiles (
    view INTEGER NOT NULL, hop INTEGER NOT NULL, key TEXT NOT NULL, start INTEGER NOT NULL, states BLOB NOT NULL,
    PRIMARY KEY (view, hop, key, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tiles_start ON tiles (view, hop, start);
CREATE TABLE IF NOT EXISTS young (
    view INTEGER NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, ready INTEGER NOT NULL, event BLOB NOT NULL,
    PRIMARY KEY (view, key, position)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS young_ready ON young (view, ready);
"""
_COLUMNS = "SELECT name FROM pragma_table_info('views')"
_ADD = "ALTER TABLE views ADD COLUMN {} INTEGER NOT NULL DEFAULT 0"
_ADDED = ("known", "settled")


class TileFile(SQLiteFile):
    """Tiles, events that are too young for them, and how far each view has come."""

    def __init__(self, path: Path) -> None:
        """Raises `NotWritable` if the file cannot be opened."""
        super().__init__(str(path), _SCHEMA, "the store of tiles", "windows")
        with self.reading() as connection:
            old = _missing(connection)
        if old:
            with self.transaction("IMMEDIATE") as connection:
                for name in _missing(connection):  # another process may have been first
                    connection.execute(_ADD.format(name))


def _missing(connection: sqlite3.Connection) -> list[str]:
    there = {name for (name,) in connection.execute(_COLUMNS)}
    return [name for name in _ADDED if name not in there]
