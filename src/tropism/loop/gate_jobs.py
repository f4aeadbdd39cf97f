"""Gates as jobs: asked for by a person or by the loop, run by a worker, followed and cancelled as any job is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import TropismError
from tropism.registry import NewJob
from tropism.registry.audit import require_actor
from tropism.registry.level_policies import LevelPolicies

if TYPE_CHECKING:
    from tropism.core.clock import Clock
    from tropism.loop.gating import Gating
    from tropism.registry import Job, Registry

KIND = "gates"
log = logging.getLogger("tropism.worker")


class GateOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a job of gates is to run, and who asked for it."""

    model: str
    version: int
    level: str
    actor: str


class _StopAsked(Exception):
    """Somebody cancelled the job."""


def ask_for_gates(registry: Registry, key: str, order: GateOrder, *, now: int) -> Job:
    """Queues a run of gates; the same key again gives the job that was queued. `now`: µs, of the machine's clock.

    Raises:
        UnknownTask, UnknownModel, UnknownVersion: there is no such version.
        InvalidInput: there is no such level, or the actor is nobody.
        Conflict: the key is another job's.
    """
    require_actor(order.actor)
    registry.versions.get(order.model, order.version)
    LevelPolicies(registry.db).get(order.model).level(order.level)
    new = NewJob(id=key, task=order.model, kind=KIND, request=msgspec.to_builtins(order))
    return registry.jobs.submit(new, now=now)


def run_gate_job(gating: Gating, job: Job, holder: str, real: Clock) -> None:
    """Runs a job that `holder` holds, and ends it. Between two gates it stops where somebody cancelled it."""
    jobs = gating.registry.jobs
    try:
        order = msgspec.convert(job.request, GateOrder)
        gates = len(LevelPolicies(gating.registry.db).get(order.model).level(order.level).gates)
        begun = [0]

        def tell(name: str) -> None:
            if not jobs.progress(job.id, holder, begun[0] / max(gates, 1), name, real.now()):
                raise _StopAsked
            begun[0] += 1

        asked = (job.id, order.model, order.version, order.level)
        run = gating.run(*asked, actor=order.actor, progress=tell)
        jobs.finish(job.id, holder, msgspec.to_builtins(run), real.now())
    except _StopAsked:
        jobs.stopped(job.id, holder, real.now())
    except TropismError as error:
        log.error("gates of %s: %s", job.task, error)
        fault = {"code": error.code, "message": error.message, "faults": msgspec.to_builtins(error.faults)}
        jobs.fail(job.id, holder, fault, real.now())
    except Exception as error:
        log.exception("gates of %s failed", job.task)
        jobs.fail(job.id, holder, {"code": "internal", "message": str(error), "faults": []}, real.now())
