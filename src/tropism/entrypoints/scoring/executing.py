"""Chooses who scores: this process, processes of this machine, or Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from tropism.entrypoints.scoring.run import cores

if TYPE_CHECKING:
    from tropism.entrypoints.scoring.run import Executor, Job
    from tropism.wiring import Platform


class Where(NamedTuple):
    """`workers`: processes, or tasks at once; as many as there are cores if None. `address`: of a Ray cluster."""

    on: Literal["processes", "ray"] = "processes"
    workers: int | None = None
    address: str | None = None


def executor(platform: Platform, job: Job, where: Where) -> Executor:
    """What scores the parts of a job.

    Raises:
        MissingExtra: Ray is asked for and not installed.
        NotReady: the cluster cannot be reached.
    """
    if where.on == "ray":
        from tropism.entrypoints.scoring.on_ray import OnRay

        return OnRay(job.plan, platform.blobs, where.address, where.workers)
    if job.is_small:
        from tropism.entrypoints.scoring.inline import Inline

        return Inline(job.plan, platform.blobs)
    from tropism.entrypoints.scoring.processes import Processes

    return Processes(job.plan, platform.settings.blobs_url, where.workers or cores(), job.log)
