"""Two workers act on one experiment's evidence at once, and one of them dies at each statement of its promotion.

One champion, one decision, one row of the audit log for the move, and the chain holds. Run as a script, this file is
the workers: it forks them, so that all begin at the same moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import event, insert, select

from tropism.config import load_settings
from tropism.core.clock import DAY, SECOND, FileClock
from tropism.core.errors import Conflict
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.experiment import Experiment, Variant
from tropism.core.identity import derived_id, task_tag
from tropism.core.task import Feature, Policy, Task, Triggers
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.loop.cycle import cycle
from tropism.loop.durable.inline import InlineWorkflows
from tropism.loop.judged import Judged
from tropism.loop.observe import Observation, observe
from tropism.loop.trials import act_on_trials, judge_trials
from tropism.registry import NewVersion
from tropism.storage.tables.schema import audit, metadata
from tropism.verification import verify
from tropism.wiring import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

pytestmark = pytest.mark.fault

FULL = os.environ.get("TROPISM_FAULTS") == "full"
ROUNDS = 200 if FULL else 2
"""Races of two promotions by hand."""
EVERY = 1 if FULL else 5
"""A death at every so many statements."""
WAYS = ((False, False), (True, False), (False, True))
"""Whether a second worker acts at the same time, and whether the dead one comes back to what it was doing."""
START = 1_000_000_000 * SECOND
VISITORS = 400
TASK = Task(
    name="price",
    kind="binary",
    target="up",
    features=(Feature("demand"),),
    outcome_window="5s",
    learners=("linear",),
    policy=Policy(triggers=Triggers(new_outcomes=None, decay=None), min_training=1_000_000),
)
TRIAL = Experiment(
    name="deeper",
    task="price",
    mode="ab",
    variants=(Variant(name="now"), Variant(name="new", version=2)),
    min_units=30,
    max_duration="20d",
)


def opened(folder: Path, url: str) -> Platform:
    settings: dict[str, dict[str, Any]] = {
        "time": {"clock": "file"},
        "journal": {"fsync": "os", "reserve": 0},
        "loop": {"automatic": False},
    }
    return Platform(load_settings(folder, settings | ({"tables": {"url": url}} if url else {}), environment={}))


def moved_to(platform: Platform, now: int) -> None:
    assert isinstance(platform.clock, FileClock)
    platform.clock.set(now)


def prepare(folder: Path, url: str) -> None:
    """A project whose experiment has run for four days: version 2 is far better than the champion, version 1."""
    platform = opened(folder, url)
    registry, chance = platform.registry, np.random.default_rng(3)
    platform.database.migrate()
    registry.tasks.apply(TASK, START)
    moved_to(platform, START)
    register_versions(platform, chance)
    by_hand(platform, 1, None, "first")
    registry.experiments.put(TRIAL, actor="me", now=START)
    registry.experiments.start("deeper", actor="me", now=START)
    visit(platform, chance)
    moved_to(platform, START + 5 * DAY)
    seen = observe(platform.services(), TASK)
    judged = judge_trials(platform.services(), TASK, seen)
    assert [one.action for one in judged] == ["promote"], judged
    (folder / "judged.json").write_bytes(msgspec.json.encode((seen, judged)))
    with platform.database.read() as connection:
        rows = {
            table.name: [list(row) for row in connection.execute(select(table))] for table in metadata.sorted_tables
        }
    (folder / "tables.msgpack").write_bytes(msgspec.msgpack.encode(rows))
    platform.database.dispose()


def register_versions(platform: Platform, chance: np.random.Generator) -> None:
    """Version 1 is wrong throughout; 2 and 3 are right."""
    for sign in (-1, 1, 1):
        demands = chance.normal(size=600)
        labels = (sign * demands + 0.1 * chance.normal(size=600) > 0).astype(float)
        data = Dataset(pa.table({"demand": demands}), labels, np.full(600, START), None)
        artifact = store(fit_model(TASK, "linear", data, seed=0), platform.blobs)
        new = NewVersion(model="price", artifact=artifact, learner="linear", window="all")
        platform.registry.versions.register(new, now=1)


def visit(platform: Platform, chance: np.random.Generator) -> None:
    """Journals four days of predictions of both variants, and their outcomes."""
    journal = platform.journal()
    for number in range(4 * VISITORS):
        at, new = START + (number + 1) * (DAY // VISITORS), number % 2 == 1
        demand = float(chance.normal())
        made = derived_id(at, f"p{number}", task_tag("price"))
        sure = float(chance.uniform(0.5, 1.0)) if new else float(chance.uniform(0.2, 0.8))
        chosen = sure if demand > 0 else 1 - sure
        prediction = Prediction(
            id=made,
            task="price",
            at=at,
            features={"demand": demand},
            scores=(chosen,),
            version=2 if new else 1,
            variant="deeper/new" if new else "deeper/now",
            entity=f"visitor-{number}",
        )
        late, known = at + SECOND, derived_id(at, f"o{number}", task_tag("price"))
        truth = Outcome(id=known, task="price", value=float(demand > 0), at=late, received=late, prediction_id=made)
        journal.append([encode(prediction), encode(truth)])
    journal.close()


def by_hand(platform: Platform, version: int, expected: int | None, decision: str) -> None:
    platform.registry.promotion.promote(
        "price",
        version,
        expected=expected,
        actor="me",
        decision_id=derived_id(START, decision),
        policy=Policy(),
        now=platform.clock.now(),
    )


def put_back(folder: Path, url: str) -> None:
    """The tables as they were when the workers began."""
    platform = opened(folder, url)
    rows = msgspec.msgpack.decode((folder / "tables.msgpack").read_bytes())
    with platform.database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        for table in metadata.sorted_tables:
            names = [column.name for column in table.columns]
            if rows[table.name]:
                connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows[table.name]])
    platform.database.dispose()


def mortal(engine: Engine, life: int) -> None:
    """Kills this process before its statement or commit of number `life`, counted where something is written."""
    left = [life]

    def one() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(engine, "before_cursor_execute")
    def _statement(*given: Any) -> None:
        if given[2].startswith(("INSERT", "UPDATE", "DELETE")):
            one()

    @event.listens_for(engine, "commit")
    def _commit(_: Any) -> None:
        one()


def act(folder: Path, url: str, worker: str, life: int) -> None:
    """What a worker does with its judgement; `life`: statements until its death, 0 for none."""
    platform = opened(folder, url)
    if life:
        mortal(platform.database._engine, life)
    seen, judged = msgspec.json.decode((folder / "judged.json").read_bytes(), type=tuple[Observation, list[Judged]])
    act_on_trials(platform.services(), TASK, seen, judged, derived_id(START, worker))
    platform.database.dispose()


def look_again(folder: Path, url: str, number: int = 0) -> None:
    """A next cycle, of whichever worker."""
    platform = opened(folder, url)
    key = derived_id(START, f"next cycle {number}", task_tag("price"))
    InlineWorkflows({"cycle": cycle(platform.services())}).run("cycle", key, {"task": "price"})
    platform.database.dispose()


def race(folder: Path, url: str, version: int, number: int) -> None:
    """A promotion by hand that believes in version 1; again, with the same id."""
    platform = opened(folder, url)
    try:
        by_hand(platform, version, 1, f"round {number}, version {version}")
        by_hand(platform, version, 1, f"round {number}, version {version}")
        (folder / f"won-{number}-{version}").touch()
    except Conflict as error:
        (folder / f"lost-{number}-{version}").write_text(str(error))
    platform.database.dispose()


def at_once(*works: Callable[[], object]) -> list[int]:
    """Runs each in a process of its own, begun together; how each ended."""
    ready, go = os.pipe()
    begun = []
    sys.stdout.flush()  # or each child would write it again
    for work in works:
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(ready, 1)  # ends when the last copy of the other end is closed
            status = 1
            try:
                work()
                status = 0
            except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
                traceback.print_exc()
            finally:
                os._exit(status)
        begun.append(child)
    os.close(ready)
    os.close(go)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in begun]


def die_everywhere(folder: Path, url: str) -> None:
    """For each statement of the promotion: one worker dies there, one lives, then both or another one look again."""
    for turn, life in enumerate(range(1, 1_000, EVERY)):
        for beside, resumed in WAYS if FULL else (WAYS[turn % len(WAYS)],):
            at_once(lambda: put_back(folder, url))
            killed = [lambda life=life: act(folder, url, "first", life)]
            lives = [lambda: act(folder, url, "second", 0)] if beside else []
            statuses = at_once(*killed, *lives)
            died = statuses[0] == -signal.SIGKILL
            assert died or statuses[0] == 0, statuses
            assert statuses[1:] in ([], [0]), statuses
            again = [lambda: act(folder, url, "first", 0)] if resumed else []
            assert at_once(*again, lambda: look_again(folder, url)) == [0] * (len(again) + 1)
            if not resumed and not beside and died:
                assert at_once(lambda: look_again(folder, url, 1)) == [0]
            told = msgspec.json.encode(left(folder, url)).decode()
            sys.stdout.write(f"{life} {beside} {resumed} {died} {told}\n")
        if not died and not beside:  # it came to its end; beside another it may have had nothing left to do
            return


def left(folder: Path, url: str) -> dict[str, Any]:
    """What is there now. Read in a process of its own, as a fork must not inherit a connection."""
    assert at_once(lambda: (folder / "left.json").write_bytes(msgspec.json.encode(_left(folder, url)))) == [0]
    return dict(msgspec.json.decode((folder / "left.json").read_bytes()))


def _left(folder: Path, url: str) -> dict[str, Any]:
    platform = opened(folder, url)
    registry = platform.registry
    trial = registry.experiments.get("deeper")
    with platform.database.read() as connection:
        trail = connection.execute(select(audit.c.action, audit.c.subject).order_by(audit.c.seq)).all()
    promoted = [one for one in registry.decisions.list("price", kind="promote") if one.version == 2]
    return {
        "aliases": registry.aliases.all("price"),
        "moves": [subject for action, subject in trail if action == "model.promoted"],
        "ended": [action for action, _ in trail if action == "experiment.ended"],
        "decisions": [one.effect is not None for one in promoted],
        "trial": (trial.status, trial.ending, trial.decision_id == promoted[0].id if promoted else None),
        "chain": [one.problem for one in registry.audit.verify()],
        "doctor": [one.name for one in verify(platform) if one.findings and one.name != "disk"],
    }


def race_often(folder: Path, url: str) -> None:
    for number in range(ROUNDS):
        assert at_once(lambda: put_back(folder, url)) == [0]
        works = [lambda version=version: race(folder, url, version, number) for version in (2, 3)]  # noqa: B023
        assert at_once(*works) == [0, 0]
        sys.stdout.write(msgspec.json.encode(left(folder, url)).decode() + "\n")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of tables that are the test's own: empty for SQLite, which lies in the project's folder."""
    return "" if request.param == "sqlite" else request.getfixturevalue("schema")


def workers(what: str, folder: Path, url: str) -> list[str]:
    """Lines that the workers' process printed."""
    command = [sys.executable, __file__, what, str(folder), url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=1_200, check=False)
    assert ended.returncode == 0, ended.stderr[-4_000:] + ended.stdout[-1_000:]
    return ended.stdout.splitlines()


def test_a_promotion_killed_at_any_statement_leaves_one_champion_one_decision_and_one_row(
    tmp_path: Path, url: str
) -> None:
    prepare(tmp_path, url)
    lines = workers("die", tmp_path, url)
    assert sum(" True {" in line for line in lines) >= (10 if FULL else 2), "hardly anybody died"
    for line in lines:
        found = msgspec.json.decode(line[line.index("{") :])
        wanted = {
            "aliases": {"champion": 2, "previous": 1},
            "moves": ["price/1", "price/2"],
            "ended": ["experiment.ended"],
            "decisions": [True],
            "trial": ["ended", "promoted", True],
            "chain": [],
            "doctor": [],
        }
        assert found == wanted, line


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told_who_is_champion(tmp_path: Path, url: str) -> None:
    prepare(tmp_path, url)
    winners = set()
    for number, line in enumerate(workers("race", tmp_path, url)):
        found = msgspec.json.decode(line)
        (won,) = [version for version in (2, 3) if (tmp_path / f"won-{number}-{version}").exists()]
        said = (tmp_path / f"lost-{number}-{5 - won}").read_text()
        assert f"the champion is version {won} now" in said
        assert found["aliases"] == {"champion": won, "previous": 1}
        assert (found["moves"], found["chain"]) == (["price/1", f"price/{won}"], [])
        winners.add(won)
    assert winners


if __name__ == "__main__":
    {"die": die_everywhere, "race": race_often}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
