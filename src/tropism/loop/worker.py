"""The worker: moves the journal into the lake, runs cycles when they are due or asked for, keeps the lake tidy.

One leader a task: a cycle runs only under the task's lease, so several workers may share the same stores.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, TropismError
from tropism.core.identity import derived_id, task_tag
from tropism.loop.climbing import held
from tropism.loop.cycle import CycleRequest, CycleResult
from tropism.loop.gate_jobs import KIND as GATES
from tropism.loop.gate_jobs import run_gate_job
from tropism.registry import NewJob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.core.task import Task
    from tropism.loop.durable import Workflows
    from tropism.loop.gating import Gating
    from tropism.loop.services import Services
    from tropism.loop.settings import LoopSettings
    from tropism.registry import Job

log = logging.getLogger("tropism.worker")
_TICK = 0.05
_LOOK = SECOND // 4
"""Between two looks at what is due; a job that was asked for is seen at every tick."""


class Worker:
    """Runs until its stop event is set.

    `maintain`: one round of compaction and retention. `rounds`: what else is done again and again, beside the time
    between two: features brought up to date, tasks watched, alerts delivered. `gating`: what gates are run with; None
    leaves those jobs to other workers.
    """

    def __init__(
        self,
        services: Services,
        workflows: Workflows,
        settings: LoopSettings,
        maintain: Callable[[], None],
        rounds: Sequence[tuple[str, Callable[[], object]]] = (),
        gating: Gating | None = None,
    ) -> None:
        self._services = services
        self._workflows = workflows
        self._settings = settings
        self._name = services.holder
        self._maintain = maintain
        self._rounds = rounds
        self._gating = gating
        self._kinds = ("cycle",) if gating is None else ("cycle", GATES)
        self._lease = parse_duration(settings.lease)
        self._running: dict[str, Future[None]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._tokens: dict[str, int] = {}
        self._stop = threading.Event()
        self._look_at = 0
        self._idle: dict[str, tuple[Any, ...]] = {}
        self._due: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`. A part that fails is logged and tried again; it never takes the others down."""
        self._stop = stop
        rounds = [
            (self._settings.ingest_every, self._services.ingest),
            (self._settings.maintain_every, self._maintain),
            *self._rounds,
        ]
        side = [threading.Thread(target=self._repeat, args=(stop, every, act)) for every, act in rounds]
        for thread in side:
            thread.start()
        with ThreadPoolExecutor(self._settings.threads, thread_name_prefix="cycle") as pool:
            self._take_up(pool)
            while not stop.wait(_TICK):
                try:
                    self._turn(pool)
                except Exception:
                    log.exception("a turn of the worker failed; trying again")
                    stop.wait(1)
        for thread in side:
            thread.join()
        self._workflows.close()

    def _repeat(self, stop: threading.Event, every: str, act: Callable[[], object]) -> None:
        pause = max(parse_duration(every) / 1_000_000, _TICK)
        while not stop.wait(pause):
            try:
                act()
            except TropismError as error:
                log.error("%s: %s", getattr(act, "__name__", "work"), error)
            except Exception:
                log.exception("%s failed; trying again", getattr(act, "__name__", "work"))

    def _turn(self, pool: ThreadPoolExecutor) -> None:
        for key in [key for key, future in self._running.items() if future.done()]:
            self._running.pop(key).result()
        jobs = self._services.registry.jobs
        now = self._services.real.now()
        if now >= self._look_at:
            self._look_at = now + _LOOK
            jobs.requeue_stale(now - 2 * self._lease, now)
            if self._settings.automatic:
                self._schedule()
        while len(self._running) < self._settings.threads:
            job = jobs.claim(self._kinds, self._name, now)
            if job is None:
                return
            self._running[job.id] = pool.submit(self._lead if job.kind == "cycle" else self._run_gates, job)

    def _take_up(self, pool: ThreadPoolExecutor) -> None:
        """Jobs that a former life of this worker held go on where they stopped."""
        jobs = self._services.registry.jobs
        for job in jobs.list(status="running"):
            if job.holder == self._name and job.kind in self._kinds:
                with suppress(Conflict):  # another worker took it meanwhile
                    jobs.heartbeat(job.id, self._name, self._services.real.now())
                    self._running[job.id] = pool.submit(self._lead if job.kind == "cycle" else self._run_gates, job)

    def _schedule(self) -> None:
        """Ask for a cycle of each task that is due and about which something is new."""
        now = self._services.clock.now()
        for task in self._services.registry.tasks.all():
            if now < self._due.get(task.name, 0):
                continue
            self._due[task.name] = now + parse_duration(task.policy.check_every)
            if self._idle.get(task.name) == self._state(task):
                continue
            key = derived_id(now, f"{task.name}:{now}", task_tag(task.name))
            new = NewJob(id=key, task=task.name, kind="cycle", request={"task": task.name})
            self._services.registry.jobs.submit(new, now=self._services.real.now())

    def _state(self, task: Task) -> tuple[Any, ...]:
        """What a cycle's result depends on; while it stays the same there is nothing to do."""
        cohorts, now = self._services.cohorts, self._services.clock.now()
        if cohorts.waiting(task, now) or held(self._services.registry, task.name):
            return (now,)
        every = task.policy.triggers.every
        slot = now // parse_duration(every) if every is not None else 0
        return (cohorts.versions(task.name), slot, self._services.registry.tasks.revision())

    def _lead(self, job: Job) -> None:
        """Run a job's cycle under its task's lease. Heartbeat and lease are kept alive while it waits and works."""
        lease = f"task:{job.task}"
        done = threading.Event()
        beat = threading.Thread(target=self._beat, args=(done, lease, job.id))
        beat.start()
        try:
            with self._one_of(job.task):
                token = self._acquire(lease)
                if token is None:
                    return
                try:
                    self._cycle(job)
                finally:
                    self._release(lease, token)
        finally:
            done.set()
            beat.join()

    def _run_gates(self, job: Job) -> None:
        """Run a job's gates, beside cycles of the task: they change nothing that a cycle rests on."""
        assert self._gating is not None
        done = threading.Event()
        beat = threading.Thread(target=self._beat, args=(done, "", job.id))
        beat.start()
        try:
            run_gate_job(self._gating, job, self._name, self._services.real)
        finally:
            done.set()
            beat.join()

    def _one_of(self, task: str) -> threading.Lock:
        return self._locks.setdefault(task, threading.Lock())

    def _acquire(self, lease: str) -> int | None:
        """The lease's token, waited for while another worker leads; None when this worker is told to stop."""
        leases, real = self._services.registry.leases, self._services.real
        while not self._stop.is_set():
            token = leases.acquire(lease, self._name, self._lease, real.now())
            if token is not None:
                self._tokens[lease] = token
                return token
            self._stop.wait(1)
        return None

    def _release(self, lease: str, token: int) -> None:
        self._tokens.pop(lease, None)
        self._services.registry.leases.release(lease, token)

    def _beat(self, done: threading.Event, lease: str, job: str) -> None:
        registry, real = self._services.registry, self._services.real
        while True:
            try:
                registry.jobs.heartbeat(job, self._name, real.now())
                token = self._tokens.get(lease)
                if token is not None:
                    registry.leases.renew(lease, token, self._lease, real.now())
            except TropismError as error:
                log.warning("job %s: %s", job, error)
            except Exception:
                log.exception("the heartbeat of job %s failed; trying again", job)
            if done.wait(self._lease / 4_000_000):
                return

    def _cycle(self, job: Job) -> None:
        jobs, real = self._services.registry.jobs, self._services.real
        state = self._state(self._services.registry.tasks.get(job.task))
        request = msgspec.convert(job.request, CycleRequest)
        try:
            result = self._workflows.run("cycle", job.id, msgspec.to_builtins(request))
        except TropismError as error:
            log.error("cycle of %s: %s", job.task, error)
            fault = {"code": error.code, "message": error.message, "faults": msgspec.to_builtins(error.faults)}
            jobs.fail(job.id, self._name, fault, real.now())
            return
        except Exception as error:
            log.exception("cycle of %s failed", job.task)
            jobs.fail(job.id, self._name, {"code": "internal", "message": str(error), "faults": []}, real.now())
            return
        found = msgspec.convert(result, CycleResult)
        if found.failure and jobs.get(job.id).cancel:
            jobs.stopped(job.id, self._name, real.now())
            return
        jobs.finish(job.id, self._name, result, real.now())
        if found.trained is None and set(found.verdicts) <= {"wait"}:
            self._idle[job.task] = state
        for verdict in found.verdicts:
            if verdict != "wait":
                log.info("%s: %s", job.task, verdict)
