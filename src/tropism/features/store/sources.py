"""Rows of sources as features are made of them: read, checked by the source's rules, failures noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from tropism.core.errors import DataInvalid
from tropism.features.checks.checking import check
from tropism.features.offline.reading import read_source
from tropism.features.sources import StreamSource
from tropism.features.store.streams import events_of, stream_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.features.checks.reports import Report
    from tropism.features.views import FeatureView
    from tropism.storage.lake import Lake

FAILURES = "_rule_failures"
"""The lake's table of rules that were broken."""
FAILURES_SCHEMA = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("writer", pa.string()),
        ("seq", pa.int64()),
        ("source", pa.string()),
        ("while", pa.string()),
        ("rule", pa.string()),
        ("policy", pa.string()),
        ("rows", pa.int64()),
        ("failures", pa.int64()),
        ("examples", pa.list_(pa.string())),
    ]
)


class Sources:
    """Reads the sources of views. `doing`: what for, as it is noted beside failures of rules."""

    def __init__(self, root: Path, lake: Lake, doing: str, now: int) -> None:
        self._root, self._lake, self._doing, self._now = root, lake, doing, now
        self._checked: dict[str, pa.Table] = {}
        self.reports: dict[str, Report] = {}
        """Of the views whose sources have rules."""

    def read(self, view: FeatureView, columns: Sequence[str]) -> pa.Table:
        """Columns and times of a view's source; of a stream, its history. With rules the whole view is read and kept,
        so that all its columns have the same rows.

        Raises:
            DataInvalid: as `read_source`, or a rule of policy `stop` is broken.
            What `read_source` raises otherwise.
        """
        if isinstance(view.source, StreamSource):
            return events_of(stream_rows(self._lake, view.source, columns))
        if not view.source.rules:
            return read_source(view.source, columns, self._root, self._table)
        which = view.fingerprint
        if which not in self._checked:
            wanted = list(dict.fromkeys([*view.columns, *(rule.column for rule in view.source.rules)]))
            self._checked[which] = self._check(view, read_source(view.source, wanted, self._root, self._table))
        times = [name for name in (view.source.timestamp, view.source.created) if name]
        return self._checked[which].select(list(dict.fromkeys([*columns, *times])))

    def _check(self, view: FeatureView, table: pa.Table) -> pa.Table:
        found = check(table, view.source.rules, self._now)
        self.reports[view.name] = found.report
        note(self._lake, view.name, self._doing, found.report, self._now)
        if found.report.stopped:
            raise DataInvalid(f"the source of '{view.name}' breaks a rule", *found.report.faults)
        return found.table

    def _table(self, name: str, columns: Sequence[str]) -> pa.Table:
        return self._lake.read(name, columns=list(columns))


def note(lake: Lake, source: str, doing: str, report: Report, now: int) -> None:
    """Keeps what a check found, if anything failed."""
    rows = [
        {
            "at": now,
            "source": source,
            "while": doing,
            "rule": msgspec.json.encode(one.rule).decode(),
            "policy": one.rule.policy,
            "rows": one.rows,
            "failures": one.failures,
            "examples": [example.value for example in one.examples],
        }
        for one in report.rules
        if one.broken or one.failures
    ]
    if rows:
        lake.append(FAILURES, pa.Table.from_pylist(rows, schema=FAILURES_SCHEMA))
