from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import Conflict, NotFound
from tropism.registry import NewJob

if TYPE_CHECKING:
    from tropism.registry import Job, Registry


def _submit(registry: Registry, job_id: str, kind: str = "train", now: int = 1) -> Job:
    return registry.jobs.submit(NewJob(id=job_id, task="price", kind=kind, request={"seed": 1}), now=now)


def test_a_job_runs_from_start_to_end(registry: Registry) -> None:
    assert _submit(registry, "j").status == "queued"
    claimed = registry.jobs.claim(("train",), "w0", 2)
    assert claimed is not None
    assert (claimed.id, claimed.status, claimed.holder, claimed.started_at) == ("j", "running", "w0", 2)
    assert claimed.request == {"seed": 1}
    assert registry.jobs.progress("j", "w0", 0.5, "fitting", 3)
    half = registry.jobs.get("j")
    assert (half.progress, half.message, half.heartbeat_at) == (0.5, "fitting", 3)
    registry.jobs.finish("j", "w0", {"version": 4}, 5)
    done = registry.jobs.get("j")
    assert (done.status, done.result, done.progress, done.finished_at) == ("done", {"version": 4}, 1.0, 5)


def test_the_oldest_job_of_the_right_kind_comes_first(registry: Registry) -> None:
    _submit(registry, "late", now=3)
    _submit(registry, "early", now=2)
    _submit(registry, "cycle", "cycle", now=1)
    claims = [registry.jobs.claim(("train", "evaluate"), "w0", 4) for _ in range(3)]
    assert [job.id if job else None for job in claims] == ["early", "late", None]


def test_submitting_again_gives_the_same_job(registry: Registry) -> None:
    _submit(registry, "j")
    registry.jobs.claim(("train",), "w0", 2)
    assert _submit(registry, "j", now=9).status == "running"
    with pytest.raises(Conflict, match="another job"):
        _submit(registry, "j", "cycle")


def test_a_failed_job_keeps_its_error(registry: Registry) -> None:
    _submit(registry, "j")
    registry.jobs.claim(("train",), "w0", 2)
    registry.jobs.fail("j", "w0", {"code": "training-failed", "message": "too few rows"}, 3)
    failed = registry.jobs.get("j")
    assert (failed.status, failed.error) == ("failed", {"code": "training-failed", "message": "too few rows"})


def test_cancelling_a_queued_job_ends_it(registry: Registry) -> None:
    _submit(registry, "j")
    assert registry.jobs.cancel("j", 2).status == "cancelled"
    assert registry.jobs.claim(("train",), "w0", 3) is None


def test_cancelling_a_running_job_asks_its_holder(registry: Registry) -> None:
    _submit(registry, "j")
    registry.jobs.claim(("train",), "w0", 2)
    assert registry.jobs.heartbeat("j", "w0", 3)
    asked = registry.jobs.cancel("j", 4)
    assert (asked.status, asked.cancel) == ("running", True)
    assert not registry.jobs.heartbeat("j", "w0", 5)
    registry.jobs.stopped("j", "w0", 6)
    assert registry.jobs.get("j").status == "cancelled"
    assert registry.jobs.cancel("j", 7).finished_at == 6


def test_ending_twice_is_harmless(registry: Registry) -> None:
    _submit(registry, "j")
    registry.jobs.claim(("train",), "w0", 2)
    registry.jobs.finish("j", "w0", {"n": 1}, 3)
    registry.jobs.finish("j", "w0", {"n": 2}, 4)
    assert registry.jobs.get("j").result == {"n": 1}
    with pytest.raises(Conflict, match="not yours"):
        registry.jobs.fail("j", "w0", {}, 5)


def test_a_silent_holder_loses_its_job(registry: Registry) -> None:
    _submit(registry, "j")
    registry.jobs.claim(("train",), "w0", 10)
    assert registry.jobs.requeue_stale(before=10, now=20) == ()
    assert registry.jobs.requeue_stale(before=11, now=20) == ("j",)
    taken = registry.jobs.claim(("train",), "w1", 21)
    assert taken is not None
    assert taken.attempts == 2
    with pytest.raises(Conflict, match="not yours"):
        registry.jobs.heartbeat("j", "w0", 22)
    with pytest.raises(Conflict, match="not yours"):
        registry.jobs.finish("j", "w0", {}, 22)
    registry.jobs.finish("j", "w1", {}, 23)


def test_a_job_that_kills_its_holders_fails_in_the_end(registry: Registry) -> None:
    _submit(registry, "j")
    for _ in range(2):
        registry.jobs.claim(("train",), "w0", 1)
        registry.jobs.requeue_stale(before=2, now=3, attempts=2)
    failed = registry.jobs.get("j")
    assert failed.status == "failed"
    assert failed.error == {"code": "not-ready", "message": "its process stopped answering 2 times"}


def test_a_silent_holder_that_was_asked_to_stop_ends_its_job(registry: Registry) -> None:
    _submit(registry, "j")
    registry.jobs.claim(("train",), "w0", 1)
    registry.jobs.cancel("j", 2)
    registry.jobs.requeue_stale(before=2, now=3)
    assert registry.jobs.get("j").status == "cancelled"


def test_jobs_are_listed_newest_first(registry: Registry) -> None:
    for number in range(3):
        _submit(registry, f"j{number}", now=number)
    registry.jobs.claim(("train",), "w0", 9)
    assert [job.id for job in registry.jobs.list("price", limit=2)] == ["j2", "j1"]
    assert [job.id for job in registry.jobs.list(status="running")] == ["j0"]
    assert registry.jobs.list("fraud") == ()


def test_an_unknown_job_is_said(registry: Registry) -> None:
    with pytest.raises(NotFound, match="no job 'x'"):
        registry.jobs.get("x")
    with pytest.raises(NotFound, match="no job 'x'"):
        registry.jobs.cancel("x", 1)
