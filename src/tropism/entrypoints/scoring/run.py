"""Scores a file: in parts, on as many cores as there are, so that a run that was cut short goes on where it was."""

from __future__ import annotations

import asyncio
import os
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism import __version__
from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, DataInvalid, Fault, InputError, PolicyRefused, UnknownFeature, UnknownModel
from tropism.core.identity import Identifiers, task_tag
from tropism.core.privacy import JournalPolicy
from tropism.entrypoints.scoring.outputs import assemble, join
from tropism.entrypoints.scoring.plan import Plan, SourceFacts
from tropism.entrypoints.scoring.request import Request, require_paths, require_writable
from tropism.entrypoints.scoring.sources.opening import open_source
from tropism.entrypoints.scoring.work import Work
from tropism.serving.tabular.results import result_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tropism.core.errors import TropismError
    from tropism.core.task import Task
    from tropism.entrypoints.scoring.parts import Part, ScoredPart
    from tropism.entrypoints.scoring.sources.base import Source
    from tropism.entrypoints.scoring.work import Done
    from tropism.wiring import Platform

    Executor = Callable[[Iterable[Part]], Iterator[ScoredPart]]
    Progress = Callable[[float, int], None]

_PART_BYTES = 8 << 20
_MOST_ROWS, _FEWEST_ROWS = 65_536, 1_024


class Summary(NamedTuple):
    """What came of it. `resumed`: rows that an earlier run had done. `notes`: how many rows each is about."""

    version: int
    rows: int
    bad: int
    resumed: int
    notes: dict[str, int]


class Job:
    """One file, one model, one output. Close it.

    Raises:
        UnknownTask, UnknownModel, UnknownVersion: there is no such model.
        DataInvalid, MissingFeature, UnknownFeature, InvalidInput: the file does not fit the task.
        Conflict: an unfinished run was of something else, or another run writes this output.
    """

    def __init__(self, platform: Platform, request: Request) -> None:
        self._platform = platform
        self._request = request
        require_paths(request)
        self._work = Work(request.out)
        try:
            self.source, self.plan = self._prepare()
        except BaseException:
            self._work.close()
            raise
        done = self._work.done()
        self.finished = {index: one for index, one in done.items() if self.plan.skip_bad or not one.bad}
        self._parts = self.source.parts(self.plan.part_rows, lambda index: index not in self.finished)

    def close(self) -> None:
        self._work.close()

    @property
    def log(self) -> Path:
        """A file for what scoring processes print."""
        return self._work.folder / "log.txt"

    @property
    def is_small(self) -> bool:
        """Whether one part holds what is left."""
        seen = list(islice(self._parts, 2))
        self._parts = chain(seen, self._parts)
        return len(seen) < 2

    def run(self, executor: Executor, progress: Progress) -> Summary:
        """Scores what is left, and writes the output. `progress` gets the share done of all, and its rows.

        Raises:
            InvalidInput: a row cannot be scored; names it. Nothing was recorded, and no output written.
            DiskFull, NotReady: it cannot go on now; what is done stays done.
        """
        resumed = sum(one.rows for one in self.finished.values())
        share = sum(one.share for one in self.finished.values())
        rows = resumed
        progress(share, rows)
        failures: list[ScoredPart] = []
        for scored in executor(_until(self._parts, failures)):
            if scored.problem is not None:
                failures.append(scored)
                continue
            self.finished[scored.index] = self._work.commit(scored)
            share, rows = share + scored.share, rows + scored.rows
            progress(share, rows)
        if failures:
            first = min(failures, key=lambda one: one.index)
            assert first.problem is not None
            raise _about(self._request.data, first.problem.error(), in_rows=True)
        self._require_unchanged()
        done = [self.finished[index] for index in sorted(self.finished)]
        self._record(done)
        self._publish(done)
        return Summary(self.plan.version, rows, sum(one.bad for one in done), resumed, _total(done))

    def _prepare(self) -> tuple[Source, Plan]:
        request, platform = self._request, self._platform
        task = platform.registry.tasks.get(request.task).flat
        _require_allowed(task, journal=request.journal)
        earlier = None if request.restart else self._work.plan()
        if earlier is not None and not self._work.done():
            earlier = None  # nothing is lost
        version = request.version or (self._champion() if earlier is None else earlier.version)
        artifact = platform.registry.versions.get(task.name, version).artifact
        try:
            source = open_source(request.data, task, request.chosen)
        except InputError as error:
            raise _about(request.data, error) from error
        plan = self._plan(task, version, artifact, source)
        require_writable(source, plan)
        if earlier is None:
            self._work.begin(plan)
            return source, plan
        changed = earlier.differences(plan)
        if changed:
            faults = (Fault(name, then, f"now {now}; begin anew with --restart") for name, then, now in changed)
            raise Conflict("an unfinished run of this output was of something else", *faults)
        return source, msgspec.structs.replace(earlier, skip_bad=plan.skip_bad)

    def _plan(self, task: Task, version: int, artifact: str, source: Source) -> Plan:
        request, platform = self._request, self._platform
        now = platform.clock.now()
        return Plan(
            id=Identifiers().new(now, task_tag(task.name)),
            begun=now,
            latest=now + parse_duration(platform.settings.http.future_tolerance),
            task=task,
            version=version,
            artifact=artifact,
            source=SourceFacts.of(request.data, source.form),
            output=request.form,
            layout=source.layout,
            kept=request.chosen.kept,
            ignored=request.chosen.ignored,
            journal=request.journal,
            skip_bad=request.skip_bad is not None,
            part_rows=request.part_rows or _part_rows(source.width),
            made_by=__version__,
        )

    def _champion(self) -> int:
        name = self._request.task
        live = self._platform.registry.aliases.live(name)
        if live is None:
            fix = f"train one: tropism train {name}; or name a version: tropism score {name}:1 ..."
            raise UnknownModel(f"'{name}' has no champion yet", Fault("model", name, fix))
        return live.champion

    def _require_unchanged(self) -> None:
        if SourceFacts.of(self._request.data, self.plan.source.form) != self.plan.source:
            fix = "score it again with --restart, once nobody writes to it"
            raise DataInvalid(f"{self._request.data} was changed while it was scored", Fault("DATA", "", fix))

    def _record(self, done: list[Done]) -> None:
        """Appends the predictions to the journal, all of them or, when it is cut short, the rest of them later."""
        if not self.plan.journal:
            return
        journal = self._platform.journal()
        try:
            for one in done:
                records = self._work.unrecorded(one)
                if records:
                    asyncio.run(journal.durable(journal.append(records)))
                    self._work.mark_recorded(one)
        finally:
            journal.close()

    def _publish(self, done: list[Done]) -> None:
        plan, work, request = self.plan, self._work, self._request
        schema = result_schema(plan.task, ids=plan.journal, beside=self.source.beside)
        parts = [work.part(one.index) for one in done]
        if request.skip_bad is not None:
            refused = [work.refused(one.index) for one in done if one.refused]
            work.publish(request.skip_bad, lambda path: join(refused, path))
        work.publish(request.out, lambda path: assemble(parts, path, schema, plan.output))
        work.finish()


def _part_rows(width: int) -> int:
    """Rows of a part, so that it takes some 8 MiB as numbers."""
    rows = min(max(_PART_BYTES // (8 * width), _FEWEST_ROWS), _MOST_ROWS)
    return 1 << (rows.bit_length() - 1)


def _until(parts: Iterable[Part], failures: list[ScoredPart]) -> Iterator[Part]:
    """Parts until one has failed: those before it are still waited for, so that the first failure is told."""
    for part in parts:
        yield part
        if failures:
            return


def _total(done: Iterable[Done]) -> dict[str, int]:
    notes: dict[str, int] = {}
    for one in done:
        for text, count in one.notes.items():
            notes[text] = notes.get(text, 0) + count
    return notes


def _about(path: Path, error: TropismError, in_rows: bool = False) -> TropismError:
    """An error about a file, with what only a file's owner can do. `in_rows`: it was met while rows were read."""
    faults = error.faults
    if isinstance(error, UnknownFeature):
        fix = "copy other columns into the output with --keep, or leave them out with --ignore; '*' means all others"
        faults = (*faults, Fault("columns", "", fix))
    elif in_rows and isinstance(error, InputError):
        fix = "mend the file; or go on without such rows, and have them told: --skip-bad FILE"
        faults = (*faults, Fault("rows", "", fix))
    if str(path) in error.message:
        return error
    return type(error)(f"{path}: {error.message}", *faults)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _require_allowed(task: Task, *, journal: bool) -> None:
    """A job does not apply journal policies, so what they forbid must not happen.

    Raises:
        PolicyRefused: the task's policy hashes what models see, or must be applied to what is recorded.
    """
    policy = task.journal
    if any(name in task.feature_names for name in policy.hash):
        fault = Fault("journal.hash", ", ".join(policy.hash), "send the rows to the data plane, which hashes them")
        raise PolicyRefused(f"'{task.name}' hashes features before its models see them; jobs do not", fault)
    if journal and policy != JournalPolicy():
        fault = Fault("--journal", "", "score without it, or send the rows to the data plane")
        raise PolicyRefused(f"'{task.name}' has a journal policy, which jobs do not apply", fault)
