"""Scores parts as tasks of Ray, on this machine or on a cluster. https://docs.ray.io

Parts and the model travel with the tasks, so the cluster needs neither the file nor the place of the artifacts; it
needs this version of Tropism. A task that dies is run again by Ray: scoring a part twice gives the same.
"""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, NotFound, NotReady
from tropism.core.plugins import require
from tropism.entrypoints.scoring.parts import Part, ScoredPart
from tropism.entrypoints.scoring.plan import Plan
from tropism.learners.artifact import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tropism.entrypoints.scoring.scorer import Scorer
    from tropism.learners.artifact import BlobStore

_AHEAD = 2
"""Parts on their way for each core of the cluster."""
_PATIENCE = 10.0
"""Seconds for a cluster to answer."""


class Parcel(msgspec.Struct, frozen=True):
    """A plan, and the bytes of its model by their digests."""

    plan: Plan
    blobs: dict[str, bytes]

    def get(self, digest: str) -> bytes:
        """As a store of blobs: loading checks what it gets against its digest."""
        if digest not in self.blobs:
            raise NotFound(f"there is no artifact {digest}", Fault("digest", digest, "score again"))
        return self.blobs[digest]

    def put(self, data: bytes) -> str:
        raise NotImplementedError


def parcel(plan: Plan, blobs: BlobStore) -> bytes:
    """A plan with its model. Raises what `artifact.read_manifest` does."""
    files = {facts.sha256 for facts in read_manifest(plan.artifact, blobs).files}
    return msgspec.msgpack.encode(Parcel(plan, {one: blobs.get(one) for one in (plan.artifact, *files)}))


@lru_cache(maxsize=1)
def _scorer(packed: bytes) -> Scorer:
    from tropism.entrypoints.scoring.scorer import Scorer

    found = msgspec.msgpack.decode(packed, type=Parcel)
    return Scorer(found.plan, found)


def score_packed(packed: bytes, part: bytes) -> bytes:
    """What a task does. The last model is kept in memory."""
    scored = _scorer(packed).score(msgspec.msgpack.decode(part, type=Part))
    return msgspec.msgpack.encode(scored)


def _require_listener(address: str | None) -> None:
    """Raises `OSError` unless somebody listens at HOST:PORT. Ray itself tries for a quarter of an hour."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()


class OnRay:
    """Gives back what became of parts, in the order in which they are done.

    Raises:
        MissingExtra: Ray is not installed.
        NotReady: there is no cluster at that address.
    """

    def __init__(self, plan: Plan, blobs: BlobStore, address: str | None, workers: int | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = require("ray", "ray")
        self._workers = workers
        self._packed = parcel(plan, blobs)
        self._begun = not self._ray.is_initialized()
        if self._begun:
            self._connect(address, workers)

    def _connect(self, address: str | None, workers: int | None) -> None:
        options: dict[str, Any] = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
        try:
            _require_listener(address)
            self._ray.init(log_to_driver=False, configure_logging=False, **options)
        except (OSError, ValueError, RuntimeError) as error:
            fix = "check --address, or leave it out to begin Ray on this machine"
            raise NotReady("Ray cannot be reached", Fault("--address", str(address), f"{fix} ({error})")) from error

    def __call__(self, parts: Iterable[Part]) -> Iterator[ScoredPart]:
        ray = self._ray
        task = ray.remote(score_packed).options(num_cpus=1, max_retries=3)
        packed = ray.put(self._packed)
        most = _AHEAD * (self._workers or max(int(ray.cluster_resources().get("CPU", 1)), 1))
        waiting: list[Any] = []
        try:
            for part in parts:
                waiting.append(task.remote(packed, msgspec.msgpack.encode(part)))
                while len(waiting) >= most:
                    ready, waiting = ray.wait(waiting, num_returns=1)
                    yield self._taken(ready[0])
            while waiting:
                ready, waiting = ray.wait(waiting, num_returns=1)
                yield self._taken(ready[0])
        finally:
            for one in waiting:
                ray.cancel(one, force=True)
            if self._begun:
                ray.shutdown()

    def _taken(self, reference: Any) -> ScoredPart:
        try:
            return msgspec.msgpack.decode(self._ray.get(reference), type=ScoredPart)
        except self._ray.exceptions.RayError as error:
            said = str(error).strip().splitlines()
            fix = "see Ray's log; the same command goes on where this one stopped"
            raise NotReady("a task of Ray failed", Fault("ray", said[-1][:200] if said else "", fix)) from error
