"""Every kind of process of a running replay is killed with SIGKILL, at random moments, again and again.

Afterwards, seen from outside: what was acknowledged is in the lake once, the champion moved one step at a time,
every version came of one job and answers as it did, and the loop ended. `TROPISM_FAULTS=full` kills 100 times.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from tropism.core.task import Gate, Policy, Triggers
from tropism.entrypoints.replay.driver import Driver, LoopRun, Project
from tropism.entrypoints.replay.stream import Stream, read_stream
from tropism.entrypoints.replay.timeline import outcome_window
from tropism.feedback.schemas import outcomes_name, predictions_name
from tropism.learners.artifact import load
from tropism.storage.tables.schema import aliases
from tropism.training.settings import TrainingSettings
from tropism.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tropism.registry import Decision
    from tropism.wiring import Platform

TRAINING = "training"
SERVICES = ("data-plane", "control-plane", "worker")
FULL = os.environ.get("TROPISM_FAULTS") == "full"
EACH = 25 if FULL else 3
EVENTS, TURN = (9_000, 900) if FULL else (2_200, 500)
WARMUP, LOOK = 200, 50
FATAL = TrainingSettings().attempts
"""So many deaths in a row, and a training is given up."""


def drifting(folder: Path) -> Stream:
    """A binary stream: the label follows the sign of `a`, and that turns every `TURN` events."""
    chance = np.random.default_rng(5)
    values = chance.normal(size=(EVENTS, 2))
    turned = np.where(np.arange(EVENTS) // TURN % 2, -1.0, 1.0)
    labels = chance.random(EVENTS) < 1 / (1 + np.exp(-5 * turned * values[:, 0]))
    rows = zip(values.tolist(), labels.tolist(), strict=True)
    path = folder / "turning.csv"
    path.write_text("a,b,y\n" + "".join(f"{a:.6f},{b:.6f},{int(y)}\n" for (a, b), y in rows))
    stream = read_stream(path, target="y", label_delay="20")
    policy = Policy(
        triggers=Triggers(new_outcomes=200, decay=0.5, decay_rows=50, cooldown=100),
        gate=Gate(min_outcomes=60, max_outcomes=400, plan=100),
        windows=("recent",),
        recent=300,
        min_training=100,
        rollback_outcomes=200,
    )
    window = outcome_window(stream)
    return replace(stream, task=msgspec.structs.replace(stream.task, outcome_window=window, policy=policy))


class Process(NamedTuple):
    pid: int
    command: str


def processes() -> Iterator[Process]:
    """Whatever runs now. A process that has ended but was not waited for has no command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command:
                    yield Process(int(entry.name), command)


def trainings(folder: Path) -> list[Process]:
    """The training jobs of the project in a folder."""
    return [one for one in processes() if "tropism.training.subprocess" in one.command and str(folder) in one.command]


def kill(pid: int) -> bool:
    """Whether it was alive to be killed."""
    try:
        if not Path(f"/proc/{pid}/cmdline").read_bytes():
            return False
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


class Beside:
    """Runs functions in threads while a block runs; what they raise is raised at its end."""

    def __init__(self, *functions: Callable[[], None]) -> None:
        self.stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(function,), daemon=True) for function in functions]

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001  raised again where it is seen
            self._failures.append(error)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()
        for failure in self._failures:
            raise failure


class Killer(Beside):
    """Kills `EACH` processes of every kind: the services at random events, trainings whenever one runs."""

    def __init__(self, project: Project, seed: int) -> None:
        super().__init__(self._kill_services, self._kill_trainings)
        self.kills: Counter[str] = Counter()
        self._project = project
        self._chance = random.Random(seed)
        self._done = 0

    def follow(self, done: int) -> None:
        """So many events are done."""
        self._done = done

    def _kill_services(self) -> None:
        kinds = [*SERVICES] * EACH
        self._chance.shuffle(kinds)
        moments = sorted(self._chance.sample(range(EVENTS * 9 // 10), len(kinds)))
        for event, kind in zip(moments, kinds, strict=True):
            while self._done < event and not self.stop.wait(0.01):
                pass
            self.stop.wait(self._chance.uniform(0, 1))
            while not self._kill_service(kind) and not self.stop.wait(0.01):
                pass

    def _kill_service(self, kind: str) -> bool:
        pid = self._project.supervisor.children.get(kind)
        killed = pid is not None and kill(pid)
        self.kills[kind] += killed
        return killed

    def _kill_trainings(self) -> None:
        deaths: Counter[str] = Counter()
        folder = self._project.settings.folder
        while self.kills[TRAINING] < EACH and not self.stop.wait(0.02):
            for one in trainings(folder):
                if deaths[one.command] < FATAL - 1:
                    self.stop.wait(self._chance.uniform(0, 2))
                    killed = kill(one.pid)
                    deaths[one.command] += killed
                    self.kills[TRAINING] += killed


class Pointing(NamedTuple):
    """What a model's aliases were seen to say."""

    generation: int
    champion: int
    previous: int | None


class Watch(Beside):
    """Looks at the aliases of a model all the time, and keeps every state that it sees."""

    def __init__(self, platform: Platform, model: str) -> None:
        super().__init__(self._look)
        self._platform = platform
        self._query = select(aliases).where(aliases.c.model == model)
        self.seen: list[Pointing] = []

    def _look(self) -> None:
        while not self.stop.wait(0.01):
            with self._platform.database.read() as connection:
                rows = connection.execute(self._query).all()
            champions = [row for row in rows if row.alias == "champion"]
            assert len(champions) <= 1, f"two champions: {rows}"
            previous = next((row.version for row in rows if row.alias == "previous"), None)
            for row in champions:
                state = Pointing(row.generation, row.version, previous)
                if self.seen[-1:] != [state]:
                    self.seen.append(state)


def rows_once(table: pa.Table) -> None:
    """No event of the journal is in a table twice."""
    places = list(zip(*(table[name].to_pylist() for name in ("writer", "seq", "id")), strict=True))
    assert len(places) == len(set(places))


def check_predictions(platform: Platform, stream: Stream, run: LoopRun) -> int:
    """Every acknowledged prediction is there once, as it was acknowledged. How many had to be asked for again."""
    table = platform.lake.read(predictions_name(stream.task.name))
    rows_once(table)
    assert len(set(run.ids)) == len(stream)
    assert set(table["id"].to_pylist()) == set(run.ids)
    acknowledged = dict(zip(run.ids, run.versions.tolist(), strict=True))
    assert all(acknowledged[row["id"]] == row["version"] for row in table.select(["id", "version"]).to_pylist())

    sent = len(run.outcomes)
    counted = platform.cohorts.matured(stream.task, now=int(stream.label_at[-1]) + stream.task.window).table
    assert counted["id"].to_pylist() == run.ids[:sent]
    assert np.array_equal(counted["version"].to_numpy(), run.versions[:sent])
    assert np.array_equal(counted["label"].to_numpy(), stream.labels[:sent])
    scores = np.array([row[0] for row in counted["scores"].to_pylist()])
    assert np.array_equal(scores[WARMUP:], run.result.scores[: sent - WARMUP, 0])
    return int(table.num_rows) - len(stream)


def check_outcomes(platform: Platform, stream: Stream, run: LoopRun) -> int:
    """Every acknowledged outcome is there once. How many had to be sent again."""
    table = platform.lake.read(outcomes_name(stream.task.name))
    rows_once(table)
    assert len(set(run.outcomes)) == len(run.outcomes) > len(stream) - 100
    assert set(table["id"].to_pylist()) == set(run.outcomes)
    counts = platform.cohorts.counts(stream.task, int(stream.label_at[-1]) + stream.task.window)
    again = int(table.num_rows) - len(run.outcomes)
    assert (counts.predictions, counts.answered, counts.duplicate) == (len(stream), len(run.outcomes), again)
    assert counts.unknown == counts.late == counts.corrected == 0
    return again


def moves(decisions: tuple[Decision, ...]) -> list[Pointing]:
    """What each decision that took effect made of the aliases, in order."""
    effects = [one.effect for one in decisions if one.effect is not None]
    return sorted(Pointing(effect["generation"], effect["version"], effect["previous"]) for effect in effects)


def check_champions(platform: Platform, name: str, watch: Watch) -> int:
    """The champion moved by decisions only, from one to the next. How often."""
    decisions = platform.registry.decisions.list(name, 100_000)
    chain = moves(decisions)
    assert [one.champion for one in chain][:-1] == [one.previous for one in chain][1:]
    assert chain[0].previous is None
    assert all(earlier.generation < later.generation for earlier, later in pairwise(watch.seen))
    assert set(watch.seen) <= set(chain)
    (live,) = platform.registry.aliases.snapshot()
    assert (live.generation, live.champion, live.previous) == chain[-1]
    assert all(one.effect is not None for one in decisions if one.kind in ("promote", "rollback"))
    return len(chain)


def check_versions(platform: Platform, stream: Stream, run: LoopRun) -> int:
    """One version a job that asked for one; each answers as it did when it was served. How many."""
    versions = platform.registry.versions.list(stream.task.name)
    jobs = platform.registry.jobs.list(stream.task.name, limit=100_000)
    assert {job.status for job in jobs} == {"done"}
    trained = {job.id: job.result["trained"] for job in jobs if job.result is not None and job.result["trained"]}
    assert {one.job_id: one.version for one in versions} == trained
    decided = [one.version for one in platform.registry.decisions.list(stream.task.name, 100_000, "train")]
    assert sorted(number for number in decided if number) == [one.version for one in versions]

    rows, scores = stream.features.to_pylist(), run.result.scores[:, 0]
    served = set(run.versions.tolist()) - {0}
    assert served <= {one.version for one in versions}
    for one in versions:
        mine = [index for index in range(WARMUP, EVENTS) if run.versions[index] == one.version]
        if mine:
            again = load(one.artifact, platform.blobs).predict_rows([rows[index] for index in mine])[:, 0]
            assert np.array_equal(again, scores[np.array(mine) - WARMUP]), f"version {one.version} answered otherwise"
    return len(versions)


@pytest.mark.fault
def test_a_replay_outlives_the_death_of_any_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    stream = drifting(tmp_path)
    name = stream.task.name
    seed = int(os.environ.get("TROPISM_FAULTS_SEED", "20261"))
    said: list[str] = []
    with Project(tmp_path / "project", stream.task, said.append) as project:
        platform = project.platform
        with Watch(platform, name) as watch, Killer(project, seed) as killer:
            run = Driver(project, stream, warmup=WARMUP, look_every=LOOK).run(killer.follow)
    assert trainings(project.settings.folder) == []
    platform.ingest()

    assert len(run.cycles) == 1 + len(range(WARMUP + LOOK, EVENTS, LOOK))
    repeated = check_predictions(platform, stream, run), check_outcomes(platform, stream, run)
    moved, trained = check_champions(platform, name, watch), check_versions(platform, stream, run)
    assert moved >= 2
    assert [check.findings for check in verify(platform) if check.name != "disk"] == [()] * 4
    assert set(killer.kills) == {*SERVICES, TRAINING}
    assert killer.kills.total() >= 4 * EACH
    summary = (
        f"{killer.kills.total()} kills ({', '.join(f'{count} {kind}' for kind, count in killer.kills.items())}), "
        f"{len(said)} restarts, {repeated[0]} predictions and {repeated[1]} outcomes recorded again, "
        f"{trained} models trained, {moved} changes of champion, {time.monotonic() - begun:.0f} s"
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{summary}\n")
    platform.database.dispose()
