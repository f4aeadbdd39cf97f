"""What callers may rely on from the registry when many of them are at it, whichever database holds it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tropism.core.task import Feature, Policy, Task
from tropism.features import Entity, FeatureView, StreamSource, agg
from tropism.registry import NewChallenge, NewDecision, NewJob, NewVersion, Registry
from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import Callable

_RACERS = 8
_OPEN = """
import json, sys
from tropism.core.errors import Conflict
from tropism.core.task import Policy
from tropism.registry import NewJob, NewVersion, Registry
from tropism.storage.tables import Database

class Blobs:
    def exists(self, digest):
        return True

url, number = sys.argv[1], int(sys.argv[2])
database = Database(url)
database.migrate()
registry = Registry(database, Blobs())
registry.aliases.generation()
print("ready", flush=True)
sys.stdin.readline()
"""
_PROMOTE = """
try:
    given = {"actor": f"racer {number}", "decision_id": f"d{number}", "policy": Policy(), "now": 100 + number}
    result = registry.promotion.promote("price", number + 2, expected=1, **given)
    print(json.dumps({"won": result.version}))
except Conflict as error:
    print(json.dumps({"conflict": error.message}))
"""
_REGISTER = """
for turn in range(10):
    new = NewVersion(model="price", artifact="a", learner="l", window="all", job_id=f"{number % 4}-{turn}")
    print(json.dumps(registry.versions.register(new, now=1)))
"""
_CLAIM = """
print(json.dumps(registry.leases.acquire("loop", f"racer {number}", 1_000, 1)))
while (job := registry.jobs.claim(("train",), f"racer {number}", 1)) is not None:
    registry.jobs.finish(job.id, f"racer {number}", {}, 2)
    print(json.dumps(job.id))
"""
_DIE = """

from tropism.registry import promotion
def die(*_, **__):
    print("dying", flush=True)
    sys.stdin.readline()
promotion.append = die
registry.promotion.promote("price", 2, expected=1, actor="a", decision_id="d", policy=Policy(), now=1)
"""


class _Blobs:
    def exists(self, digest: str) -> bool:
        return True


@pytest.fixture
def registry(tables: Database) -> Registry:
    return Registry(tables, _Blobs())


def _start(program: str, url: str, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _OPEN + program, url, str(number)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process


def _race(program: str, url: str) -> list[list[object]]:
    """What each of the racers printed: all are started, then let go together."""
    racers = [_start(program, url, number) for number in range(_RACERS)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n", racer.communicate()[1]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=60) for racer in racers]
    assert [errors for _, errors in answers] == [""] * _RACERS
    return [[json.loads(line) for line in lines.splitlines()] for lines, _ in answers]


def _register(registry: Registry, count: int) -> None:
    for _ in range(count):
        registry.versions.register(NewVersion(model="price", artifact="a", learner="l", window="all"), now=1)


def _promote(registry: Registry, version: int, expected: int | None) -> None:
    given = {"actor": "ann", "decision_id": f"first-{version}", "policy": Policy(), "now": version}
    registry.promotion.promote("price", version, expected=expected, **given)  # type: ignore[arg-type]


def _threads(work: Callable[[int], None], count: int = 8) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_many_promotions_at_once_exactly_one_wins(tables_url: str, registry: Registry) -> None:
    _register(registry, _RACERS + 1)
    _promote(registry, 1, None)
    rows = registry.audit.head().seq
    answers = [answer for (answer,) in _race(_PROMOTE, tables_url) if isinstance(answer, dict)]
    won = [answer["won"] for answer in answers if "won" in answer]
    lost = [answer["conflict"] for answer in answers if "conflict" in answer]
    assert (len(won), len(lost)) == (1, _RACERS - 1)
    assert all(f"the champion is version {won[0]} now" in message for message in lost)
    live = registry.aliases.snapshot()
    assert [(one.champion, one.previous, one.generation) for one in live] == [(won[0], 1, 2)]
    assert registry.aliases.generation() == 2
    assert registry.audit.head().seq == rows + 1
    assert [one.version for one in registry.decisions.list("price", kind="promote")] == [won[0], 1]
    assert registry.audit.verify() == ()


def test_versions_registered_at_once_get_numbers_without_gaps(tables_url: str, registry: Registry) -> None:
    answers = _race(_REGISTER, tables_url)
    # Racers n and n + 4 are the same job seen twice: they must be given the same numbers.
    assert answers[:4] == answers[4:]
    assert sorted(number for racer in answers[:4] for number in racer if isinstance(number, int)) == list(range(1, 41))
    assert registry.audit.head().seq == 40
    assert registry.audit.verify() == ()


def test_each_job_and_lease_goes_to_one_claimant(tables_url: str, registry: Registry) -> None:
    for number in range(40):
        registry.jobs.submit(NewJob(id=f"j{number:02}", task="price", kind="train"), now=number)
    answers = _race(_CLAIM, tables_url)
    assert sorted(str(racer[0]) for racer in answers) == ["1"] + ["None"] * (_RACERS - 1)
    claimed = [str(job) for racer in answers for job in racer[1:]]
    assert sorted(claimed) == [f"j{number:02}" for number in range(40)]
    assert len(registry.jobs.list(status="done")) == 40


def test_a_promotion_killed_before_its_end_leaves_the_champion(tables_url: str, registry: Registry) -> None:
    _register(registry, 2)
    _promote(registry, 1, None)
    process = _start(_DIE, tables_url, 0)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "dying\n"]
    process.kill()
    process.communicate(timeout=30)
    assert registry.aliases.all("price") == {"champion": 1}
    assert [one.id for one in registry.decisions.list()] == ["first-1"]
    _promote(registry, 2, 1)
    assert registry.aliases.all("price") == {"champion": 2, "previous": 1}
    assert registry.audit.verify() == ()


def test_threads_of_one_process_share_a_registry(registry: Registry) -> None:
    def work(number: int) -> None:
        registry.tasks.apply(Task(name=f"t{number}", kind="binary", target="y", features=(Feature("a"),)), 1)
        for turn in range(10):
            new = NewDecision(id=f"{number}-{turn}", model="m", kind="train", at=turn, actor="loop")
            registry.decisions.record(new, now=turn)
            registry.aliases.generation()

    _threads(work)
    assert registry.aliases.generation() == 8
    assert registry.tasks.revision() == 8
    assert registry.audit.head().seq == 88
    assert registry.audit.verify() == ()


def test_a_poll_sees_every_move(registry: Registry) -> None:
    """A data plane that reads the generation first, and then the snapshot, never keeps an old champion."""
    _register(registry, 20)
    done = threading.Event()
    seen: list[int] = []

    def watch() -> None:
        generation = -1
        while True:
            last = done.is_set()
            now = registry.aliases.generation()
            if now != generation:
                generation = now
                seen.extend(live.champion for live in registry.aliases.snapshot())
            if last:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    for version in range(1, 21):
        _promote(registry, version, version - 1 or None)
    done.set()
    watcher.join()
    assert seen[-1] == 20
    assert seen == sorted(seen)


def test_one_challenge_of_a_kind_is_open_whoever_asks(registry: Registry) -> None:
    _register(registry, 9)
    opened = []

    def work(number: int) -> None:
        new = NewChallenge(id=f"c{number}", model="price", challenger=number + 2, incumbent=1, alpha=0.05)
        try:
            opened.append(registry.challenges.open(new, now=1).id)
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "Conflict"

    _threads(work)
    assert [one.id for one in registry.challenges.list_open("price")] == opened
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 3", (3, "row 3 was changed after it was written")),
        ("DELETE FROM audit WHERE seq = 3", (3, "row 3 is missing")),
        ("DELETE FROM audit WHERE seq >= 5", (5, "row 5 and all up to 6 are missing")),
    ],
)
def test_a_tampered_audit_log_is_found_and_the_row_named(
    registry: Registry, harm: str, problem: tuple[int, str]
) -> None:
    _register(registry, 4)
    _promote(registry, 1, None)
    _promote(registry, 2, 1)
    assert registry.audit.verify() == ()
    with registry.db.begin() as connection:
        connection.execute(text(harm))
    assert [(finding.seq, finding.problem) for finding in registry.audit.verify()] == [problem]
    _promote(registry, 3, 2)  # the log goes on, and the finding stays
    assert [(finding.seq, finding.problem) for finding in registry.audit.verify()] == [problem]


def test_a_life_of_a_model(registry: Registry) -> None:
    """The whole way once, on either database: what the unit tests check piece by piece on one."""
    registry.tasks.apply(Task(name="price", kind="binary", target="y", features=(Feature("a"),)), 1)
    _register(registry, 2)
    _promote(registry, 1, None)
    registry.challenges.open(NewChallenge(id="c", model="price", challenger=2, incumbent=1, alpha=0.05), now=3)
    decision = NewDecision(id="d", model="price", kind="promote", version=2, at=4, actor="loop", evidence={"n": 40})
    registry.decisions.record(decision, now=4)
    registry.approvals.request("a", "price", 2, "d", now=4)
    registry.approvals.approve("a", actor="ann", now=5)
    given = {"expected": 1, "actor": "loop", "decision_id": "d", "policy": Policy(approval=True), "now": 6}
    first = registry.promotion.promote("price", 2, **given)  # type: ignore[arg-type]
    assert registry.promotion.promote("price", 2, **given) == first  # type: ignore[arg-type]
    registry.challenges.close("c", "won", now=6)
    registry.promotion.rollback("price", actor="loop", decision_id="r", now=7, expected=2)
    registry.progress.set("ingest", {"w0": 9}, now=8)
    assert registry.aliases.all("price") == {"champion": 1, "previous": 2}
    assert [one.state for one in registry.versions.list("price")] == ["promoted", "rolled-back"]
    assert registry.approvals.get("a").status == "spent"
    assert registry.decisions.get("d").evidence == {"n": 40}
    assert registry.progress.all().keys() >= {"ingest"}
    assert registry.audit.verify() == ()


def test_a_life_of_a_feature_view(registry: Registry) -> None:
    account = Entity("account", key="account_id")
    schema = {"account_id": "text", "amount": "number"}
    payments = StreamSource("payments", timestamp="at", schema=schema)
    first = FeatureView("spend", entity=account, source=payments, fields=(agg.sum("amount", "24h"),))
    second = FeatureView("spend", entity=account, source=payments, fields=(agg.sum("amount", "7d"),))
    features = registry.features
    assert [change.action for change in features.apply([first], 1).changes] == ["create"] * 3
    assert features.apply([first], 2).empty
    features.apply([second], 3)
    assert [(one.storage_name, one.state) for one in features.serving()] == [("spend@1", "old"), ("spend@2", "live")]
    features.link("view", "spend@2", "training-set", "t1", 4)
    features.link("training-set", "t1", "model", "price/1", 5)
    features.link("training-set", "t1", "model", "price/1", 6)
    assert [link.to_id for link in features.lineage("source", "stream:payments")][-2:] == ["t1", "price/1"]
    assert [link.from_id for link in features.lineage("model", "price/1", "up")] == ["stream:payments", "spend@2", "t1"]
    features.drop("spend", 1, 7)
    assert [one.storage_name for one in features.serving()] == ["spend@2"]
    assert registry.audit.verify() == ()


def test_of_many_who_apply_features_at_once_each_version_is_made_once(registry: Registry) -> None:
    account = Entity("account", key="account_id")
    made = [
        FeatureView("spend", entity=account, source=_stream(), fields=(agg.count(f"{days}d"),)) for days in (1, 2, 3)
    ]
    threads = [threading.Thread(target=registry.features.apply, args=([view], 1)) for view in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = registry.features.serving()
    assert [one.version for one in found] == [1, 2, 3]
    assert {one.fingerprint for one in found} == {view.fingerprint for view in made}
    assert [one.state for one in found] == ["old", "old", "live"]


def _stream() -> StreamSource:
    return StreamSource("payments", timestamp="at", schema={"account_id": "text"})
