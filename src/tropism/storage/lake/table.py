"""One Delta table: appended to exactly once, read at any of its states, kept in order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from tropism.core.errors import DataInvalid, Fault, InvalidInput, NotFound, NotReady
from tropism.storage.lake import maintenance
from tropism.storage.lake.failures import plainly
from tropism.storage.lake.positions import PositionLog
from tropism.storage.lake.reading import files_of, index_of, read_files, rows_within, schema_of
from tropism.storage.lake.syncing import drop_torn_commit, sync_commits
from tropism.storage.lake.versions import ABSENT, Appended, Maintained, TableVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tropism.storage.lake.reading import Selection
    from tropism.storage.lake.settings import LakeSettings

_ATTEMPTS = 20
_WRITER = WriterProperties(compression="ZSTD", compression_level=1)


class LakeTable:
    """A table in `folder`, which may not exist yet. Safe in any thread; others may change the table meanwhile."""

    def __init__(self, name: str, folder: Path, settings: LakeSettings) -> None:
        self._name = name
        self._folder = folder
        self._settings = settings
        self._lock = threading.RLock()
        self._delta: DeltaTable | None = None
        self._seen = -1
        self._index: tuple[int, pa.Table] | None = None
        self._positions = PositionLog(folder)

    def append(self, table: pa.Table, positions: Mapping[str, int] | None) -> Appended:
        """See `Lake.append`."""
        if positions is not None and not {"writer", "seq"} <= set(table.column_names):
            fix = "add the columns 'writer' and 'seq', or append without positions"
            raise InvalidInput(f"rows for '{self._name}' have no place in a journal", Fault("positions", "", fix))
        with self._lock, plainly(self._name, self._folder):
            for _ in range(_ATTEMPTS):
                appended = self._try_to_append(table, positions)
                if appended is not None:
                    return appended
        fix = "stop the other process that writes this table, or try again"
        raise NotReady(f"others write '{self._name}' all the time", Fault("lake", str(self._folder), fix))

    def state(self) -> TableVersion:
        """See `Lake.state`."""
        with self._lock, plainly(self._name, self._folder):
            delta = self._fresh()
            if delta is None:
                return ABSENT
            positions = self._positions.at(delta.version())
            return TableVersion(delta.version(), positions or (None if self._indexed(delta).num_rows else {}))

    def read(self, selection: Selection, version: TableVersion | int | None) -> pa.Table:
        """See `Lake.read`."""
        wanted = TableVersion(version) if isinstance(version, int) else version
        with plainly(self._name, self._folder):
            with self._lock:
                current = self._delta
                if wanted is None or current is None or current.version() != wanted.version:
                    current = self._fresh()
                if current is None or (wanted is not None and wanted.version < 0):
                    return selection.empty
                delta, upto = self._as_of(current, wanted)
                files, schema = files_of(self._indexed(delta), self._folder, selection), schema_of(delta)
            return read_files(files, schema, selection, upto)

    def at_most(self, selection: Selection) -> int:
        """See `Lake.at_most`."""
        with self._lock, plainly(self._name, self._folder):
            delta = self._fresh()
            return 0 if delta is None else rows_within(self._indexed(delta), selection)

    def compact(self, more_than: int | None = None) -> int:
        """See `Lake.compact`."""
        with plainly(self._name, self._folder):
            delta = self._opened()
            return 0 if delta is None else maintenance.compact(delta, self._settings, more_than)

    def maintain(self) -> Maintained:
        """See `Lake.maintain`."""
        with plainly(self._name, self._folder):
            delta = self._opened()
            if delta is None:
                return Maintained(0, 0)
            maintenance.configure(delta, self._settings)
            merged = maintenance.compact(delta, self._settings)
            return Maintained(merged, maintenance.let_go(delta, self._settings.keep))

    def vacuum(self, keep: int) -> int:
        """See `Lake.vacuum`."""
        with plainly(self._name, self._folder):
            delta = self._opened()
            return 0 if delta is None else maintenance.let_go(delta, keep)

    def expire(self, before: int) -> int:
        """See `Lake.expire`."""
        with plainly(self._name, self._folder):
            for _ in range(_ATTEMPTS):
                delta = self._opened()
                if delta is None:
                    return 0
                try:
                    return maintenance.expire(delta, before)
                except CommitFailedError:
                    continue
        raise NotReady(f"others write '{self._name}' all the time", Fault("lake", str(self._folder), "try again"))

    def _try_to_append(self, table: pa.Table, positions: Mapping[str, int] | None) -> Appended | None:
        """None when somebody else's commit came between: what was new must be found out again."""
        delta = self._fresh()
        if delta is None:
            if table.num_rows == 0:
                return Appended(-1, 0)
            delta = self._created(table.schema)
        rows, transactions = table, []
        if positions is not None:
            known = self._positions.at(delta.version())
            rows = _after(table, known)
            transactions = [Transaction(writer, seq) for writer, seq in positions.items() if seq > known.get(writer, 0)]
        before = delta.version()
        if rows.num_rows == 0:
            return Appended(before, 0)
        self._check_types(delta, rows.schema)
        try:
            write_deltalake(
                delta,
                rows,
                mode="append",
                schema_mode="merge",
                target_file_size=self._settings.target_file_bytes,
                writer_properties=_WRITER,
                commit_properties=CommitProperties(app_transactions=transactions or None),
            )
        except CommitFailedError:
            return None
        if self._settings.durability == "power":
            sync_commits(self._folder, before, delta.version())
        return Appended(delta.version(), rows.num_rows)

    def _created(self, schema: pa.Schema) -> DeltaTable:
        configuration = maintenance.configuration(self._settings, schema)
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._delta = DeltaTable.create(self._folder, schema=schema, configuration=configuration)
        except DeltaError as error:
            if "already exists" not in str(error) and not isinstance(error, CommitFailedError):
                raise
            self._delta = DeltaTable(self._folder)
        return self._delta

    def _fresh(self) -> DeltaTable | None:
        """The table's newest version; None when it does not exist."""
        log = self._folder / "_delta_log"
        if self._delta is None:
            self._delta = self._opened()
        elif log.stat().st_mtime_ns != self._seen or (log / f"{self._delta.version() + 1:020}.json").exists():
            seen = log.stat().st_mtime_ns
            self._delta.update_incremental()
            self._seen = seen
        return self._delta

    def _indexed(self, delta: DeltaTable) -> pa.Table:
        """The files of a version of the table; those of the newest are kept."""
        if delta is not self._delta:
            return index_of(delta)
        if self._index is None or self._index[0] != delta.version():
            self._index = delta.version(), index_of(delta)
        return self._index[1]

    def _opened(self) -> DeltaTable | None:
        try:
            return DeltaTable(self._folder)
        except TableNotFoundError:
            return None
        except DeltaError:
            if not drop_torn_commit(self._folder):
                raise
            return DeltaTable(self._folder)

    def _as_of(self, current: DeltaTable, wanted: TableVersion | None) -> tuple[DeltaTable, Mapping[str, int] | None]:
        """The table to read and the positions to stay within, for a state that was asked for."""
        if wanted is None or wanted.version == current.version():
            return current, None
        if wanted.positions is not None:
            return current, wanted.positions
        try:
            return DeltaTable(self._folder, version=wanted.version), None
        except (DeltaError, TableNotFoundError) as error:
            fix = f"use a version that is younger than lake.keep_versions ({self._settings.keep_versions})"
            text = f"version {wanted.version} of '{self._name}' is not kept any more"
            raise NotFound(text, Fault("version", str(wanted.version), fix)) from error

    def _check_types(self, delta: DeltaTable, schema: pa.Schema) -> None:
        """Refuses a change of type: Delta would cast what it can, silently."""
        for field in schema_of(delta):
            index = schema.get_field_index(field.name)
            if index >= 0 and not schema.field(index).type.equals(field.type):
                fix = f"write it as {field.type}, or under another name"
                raise DataInvalid(
                    f"the column '{field.name}' of '{self._name}' has another type",
                    Fault(field.name, str(schema.field(index).type), fix),
                )


def _after(table: pa.Table, known: Mapping[str, int]) -> pa.Table:
    """Rows that are past their writers' positions."""
    if not known or table.num_rows == 0:
        return table
    new = pc.invert(pc.is_in(table["writer"], value_set=pa.array(known, pa.string())))
    for writer, seq in known.items():
        new = pc.or_(new, pc.and_(pc.equal(table["writer"], writer), pc.greater(table["seq"], seq)))
    return table if pc.all(new).as_py() else table.filter(new)
