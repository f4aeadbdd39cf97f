"""How far each writer's rows are in a version of a table: the app transactions in Delta's log.

Delta keeps the last version of each application id (`txn` actions, Delta Transaction Log Protocol, "Transaction
Identifiers"). `deltalake` tells one whose id is known; here all of them are read from the log's own files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path


class _Transaction(msgspec.Struct):
    appId: str  # noqa: N815 (the protocol's name)
    version: int


class _Action(msgspec.Struct):
    txn: _Transaction | None = None


class PositionLog:
    """Positions of the table in `folder`, by version. Reads each log file once as long as versions go up."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "_delta_log"
        self._version = -1
        self._positions: dict[str, int] = {}
        self._decoder = msgspec.json.Decoder(_Action)

    def at(self, version: int) -> dict[str, int]:
        """Positions in a version that exists."""
        if version < self._version:
            return PositionLog(self._log.parent).at(version)
        try:
            self._follow(version)
        except FileNotFoundError:
            # The files in between were cleaned up; a checkpoint stands for them.
            self._begin(version)
            self._follow(version)
        return dict(self._positions)

    def _begin(self, version: int) -> None:
        found: dict[int, list[Path]] = {}
        for path in self._log.glob("*.checkpoint*.parquet"):
            found.setdefault(int(path.name[:20]), []).append(path)
        self._version = max((number for number in found if number <= version), default=-1)
        self._positions = {}
        for path in found.get(self._version, []):
            for txn in pq.read_table(path, columns=["txn"])["txn"].drop_null().to_pylist():
                self._positions[txn["appId"]] = txn["version"]

    def _follow(self, version: int) -> None:
        while self._version < version:
            text = (self._log / f"{self._version + 1:020}.json").read_bytes()
            for line in text.splitlines():
                if b'"txn"' in line and (txn := self._decoder.decode(line).txn) is not None:
                    self._positions[txn.appId] = txn.version
            self._version += 1
