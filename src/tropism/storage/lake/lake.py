"""The lake: a folder of Delta tables, by name."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tropism.core.errors import Fault, InvalidInput, SettingInvalid
from tropism.storage.lake.settings import LakeSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

    from tropism.storage.lake.table import LakeTable
    from tropism.storage.lake.versions import Appended, Maintained, TableVersion

_NAME = re.compile(r"[a-z0-9_-]{1,64}(/[a-z0-9_-]{1,64})*")
_LOG = "_delta_log"


class Lake:
    """Delta tables in the folder `root`, such as `price/predictions`. Safe in any thread.

    Several processes may read and append at once. Tables are not partitioned: rows come nearly in order of time,
    so that the statistics of each file say which of them a span of time needs.

    Raises:
        SettingInvalid: the folder's path has a percent escape in it.

    >>> import tempfile, pyarrow as pa
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lake = Lake(folder)
    ...     rows = pa.table({"writer": ["w0", "w0"], "seq": [1, 2], "value": [0.5, 0.25]})
    ...     first = lake.append("price/outcomes", rows, positions={"w0": 2}).rows
    ...     again = lake.append("price/outcomes", rows, positions={"w0": 2}).rows
    ...     first, again, lake.read("price/outcomes", columns=["value"]).to_pydict()
    (2, 0, {'value': [0.5, 0.25]})
    """

    def __init__(self, root: Path | str, settings: LakeSettings = LakeSettings()) -> None:  # noqa: B008
        self._root = Path(root).resolve()
        if unquote(str(self._root)) != str(self._root):
            # The Delta library decodes such a path once too often.
            fix = "choose a folder without '%' in its path"
            raise SettingInvalid("the lake cannot be in this folder", Fault("lake", str(self._root), fix))
        self._settings = settings
        self._tables: dict[str, LakeTable] = {}
        self._lock = threading.Lock()

    def append(self, name: str, table: pa.Table, *, positions: Mapping[str, int] | None = None) -> Appended:
        """Add rows; creates the table, and columns that it does not have yet.

        With `positions` the rows have columns `writer` and `seq`, and hold all there is of each writer up to its
        position. Rows that the table has already are left out, and its positions move in the same commit: an
        append can be repeated, by anybody, at any time, and its rows are there once. None appends as it is.

        Raises:
            DiskFull: nothing was added; the table is as it was.
            NotWritable: the folder cannot be written.
            DataInvalid: a column exists with another type.
            NotReady: others were faster too many times in a row; try again.
        """
        return self._table(name).append(table, positions)

    def position(self, name: str, writer: str) -> int:
        """How far a writer's rows are in the table; 0 when there is none."""
        return (self.state(name).positions or {}).get(writer, 0)

    def state(self, name: str) -> TableVersion:
        """The newest version and its positions."""
        return self._table(name).state()

    def version(self, name: str) -> int:
        """The newest version; -1 when the table does not exist."""
        return self.state(name).version

    def read(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        schema: pa.Schema | None = None,
        since: int | None = None,
        until: int | None = None,
        time: str = "at",
        ids: Collection[str] | None = None,
        version: TableVersion | int | None = None,
    ) -> pa.Table:
        """Rows of a table, in no particular order.

        `columns`: those to read, all of them by default. `schema`: names and types instead; a column that the
        table does not have reads as null, and an absent table as an empty one. `since` <= `time` < `until`, µs;
        `time` names the column. `ids`: rows with one of these in the column `id`. Files whose statistics rule
        them out are not opened. `version`: a state to go back to; by its positions when it has them.

        Raises:
            NotFound: the version is not kept any more.
            IntegrityError: a file of the table is damaged or gone.
        """
        from tropism.storage.lake.reading import Selection  # deltalake and pyarrow take 0.3 s to import

        return self._table(name).read(Selection(columns, schema, since, until, time, ids), version)

    def at_most(self, name: str, *, since: int | None = None, until: int | None = None, time: str = "at") -> int:
        """No more rows than this have `since` <= `time` < `until` (µs), by the files' statistics: reads none."""
        from tropism.storage.lake.reading import Selection

        return self._table(name).at_most(Selection(since=since, until=until, time=time))

    def names(self) -> list[str]:
        """Tables that exist, sorted."""
        logs = self._root.glob(f"**/{_LOG}")
        return sorted(log.parent.relative_to(self._root).as_posix() for log in logs if any(log.glob("*.json")))

    def compact(self, name: str) -> int:
        """Merge small files, however few; how many were merged. Changes no row and no position."""
        return self._table(name).compact(more_than=1)

    def maintain(self, name: str) -> Maintained:
        """What a table needs now and then: small files merged once there are many, old versions let go."""
        return self._table(name).maintain()

    def vacuum(self, name: str, keep: int) -> int:
        """Delete files that were replaced more than `keep` µs ago (in whole hours, at least one); how many."""
        return self._table(name).vacuum(keep)

    def expire(self, name: str, before: int) -> int:
        """Delete rows with `at` before this time (µs); how many. Evidence on them cannot be recomputed."""
        return self._table(name).expire(before)

    def _table(self, name: str) -> LakeTable:
        from tropism.storage.lake.table import LakeTable  # deltalake and pyarrow take 0.3 s to import

        with self._lock:
            table = self._tables.get(name)
            if table is None:
                if _NAME.fullmatch(name) is None:
                    fix = "use a-z, 0-9, '-' and '_', with '/' between parts"
                    raise InvalidInput(f"{name!r} is not a table's name", Fault("name", repr(name), fix))
                table = self._tables[name] = LakeTable(name, self._root / name, self._settings)
            return table
