"""What a scoring job is: everything that its results depend on, so that a run can be taken up where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from tropism.core.task import Task
from tropism.serving.tabular.columns import Layout

Form = Literal["csv", "json-lines", "parquet", "arrow"]
VARIANT = "batch"
"""The variant of predictions that a scoring job makes."""


class SourceFacts(msgspec.Struct, frozen=True):
    """The file that is scored, as it was when the job began. `modified`: ns since the epoch."""

    path: str
    form: Form
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path, form: Form) -> SourceFacts:
        found = path.stat()
        return cls(str(path.resolve()), form, found.st_size, found.st_mtime_ns)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A job.

    `id`: unlike any other job's; ids of its predictions follow from it and from row numbers. `begun`: µs, the moment
    of rows that name none. `latest`: µs, the last moment a row may name. `layout`: columns of the file by what they
    are for. `part_rows`: rows of a part. `made_by`: version of Tropism.
    """

    id: str
    begun: int
    latest: int
    task: Task
    version: int
    artifact: str
    source: SourceFacts
    output: Form
    layout: Layout
    kept: tuple[str, ...]
    ignored: tuple[str, ...]
    journal: bool
    skip_bad: bool
    part_rows: int
    made_by: str

    def differences(self, other: Plan) -> list[tuple[str, str, str]]:
        """What another plan would do otherwise: a name, what it is here, and what it is there.

        Whether bad rows are skipped makes no difference: a part without any is the same either way.
        """
        found = []
        for name, label in _LABELS.items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                found.append((label, *_told(name, mine, theirs)))
        return found


_LABELS = {
    "source": "the input",
    "version": "--version",
    "artifact": "the model",
    "task": "the task in project.py",
    "output": "the output's format",
    "kept": "--keep",
    "ignored": "--ignore",
    "layout": "the input's columns",
    "journal": "--journal",
    "part_rows": "the rows of a part",
    "made_by": "the version of Tropism",
}


def _told(name: str, mine: object, theirs: object) -> tuple[str, str]:
    if isinstance(mine, SourceFacts) and isinstance(theirs, SourceFacts):
        if mine.path != theirs.path:
            return mine.path, theirs.path
        if mine.size != theirs.size:
            return f"{mine.size} bytes", f"{theirs.size} bytes"
        return "written at one time", "written again at another"
    return ("otherwise", "changed") if name in ("task", "layout", "artifact") else (str(mine), str(theirs))
