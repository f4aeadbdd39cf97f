"""Versions that are not live, loaded when a caller asks for one and kept while there is room."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.courtesy import giving_way
from tropism.core.errors import Fault, NotReady, Overloaded, TropismError
from tropism.serving.snapshot import ServedModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Task
    from tropism.serving.snapshot import Deployment, Servable

    Key = tuple[str, int]

_log = logging.getLogger(__name__)
_MOST_WAITING = 64
"""Versions that may wait to be loaded."""
_MOST_FAILED = 1_000
"""Failures that are remembered."""


class _Failed(NamedTuple):
    """Why a version could not be loaded, and until when nobody tries again."""

    error: TropismError
    until: float


class ModelCache:
    """Versions by task and number. For one event loop.

    Live versions are not here: they are in the snapshot, and neither count nor leave. Others are loaded in a
    thread of their own, one at a time, once for all who wait; when there are more than `size`, the one that was
    asked for least recently is let go. A failure is remembered for a few seconds (`remember`), so that asking
    again and again for what is not there costs next to nothing. With a size of 0 nothing is kept.
    """

    def __init__(
        self,
        fetch: Callable[[Task, int], Servable],
        size: int,
        *,
        remember: float = 3.0,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """`fetch` loads and verifies one version, and raises what the caller is told; `now` gives seconds."""
        self._fetch = fetch
        self._size = size
        self._remember = remember
        self._now = now
        self._kept: OrderedDict[Key, ServedModel] = OrderedDict()
        self._failed: OrderedDict[Key, _Failed] = OrderedDict()
        self._loading: dict[Key, asyncio.Future[ServedModel]] = {}
        self._thread: ThreadPoolExecutor | None = None

    @property
    def kept(self) -> tuple[Key, ...]:
        """What is in memory, the least recently asked for first."""
        return tuple(self._kept)

    async def get(self, deployment: Deployment, version: int) -> ServedModel:
        """A version of a task's model.

        Raises:
            UnknownModel, UnknownVersion: there is none; says which there are.
            ArtifactTampered, ArtifactRefused, NotFound, Conflict: it cannot be served.
            NotReady: loading it failed for another reason, or too many others wait to be loaded.
        """
        key = (deployment.task.name, version)
        live = live_version(deployment, version)
        if live is not None:
            self._kept.pop(key, None)
            return live
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        failed = self._failed.get(key)
        if failed is not None and self._now() < failed.until:
            raise _again(failed.error)
        loading = self._loading.get(key)
        if loading is None:
            loading = self._load(deployment.task, key)
        try:
            return await asyncio.shield(loading)
        except TropismError as error:
            raise _again(error) from error

    def close(self) -> None:
        """Lets go of everything; a load that goes on is not waited for."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
        self._kept.clear()

    def _load(self, task: Task, key: Key) -> asyncio.Future[ServedModel]:
        if len(self._loading) >= _MOST_WAITING:
            fault = Fault("version", str(key[1]), "try again in a moment")
            raise Overloaded("too many versions are being loaded at once", fault)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "model-cache")
        loop = asyncio.get_running_loop()
        loading = loop.run_in_executor(self._thread, self._fetched, task, key[1])
        self._loading[key] = loading
        loading.add_done_callback(lambda done: self._settle(key, done))
        return loading

    def _fetched(self, task: Task, version: int) -> ServedModel:
        try:
            with giving_way():
                return ServedModel(version, self._fetch(task, version))
        except TropismError:
            raise
        except Exception as error:
            _log.exception("version %d of model '%s' cannot be loaded", version, task.name)
            fault = Fault("version", str(version), "ask for another one; the server's log says why")
            raise NotReady(f"version {version} of '{task.name}' cannot be loaded", fault) from error

    def _settle(self, key: Key, done: asyncio.Future[ServedModel]) -> None:
        del self._loading[key]
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._kept[key] = done.result()
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
            self._failed.pop(key, None)
        elif isinstance(error, TropismError):
            self._failed[key] = _Failed(error, self._now() + self._remember)
            self._failed.move_to_end(key)
            if len(self._failed) > _MOST_FAILED:
                self._failed.popitem(last=False)


def live_version(deployment: Deployment, version: int) -> ServedModel | None:
    """A version that is in memory because it is live, or was before."""
    for one in (deployment.served, deployment.previous):
        if one is not None and one.version == version:
            return one
    return None


def _again(error: TropismError) -> TropismError:
    """The same error for another caller: one that was raised before drags its traceback along."""
    return type(error)(error.message, *error.faults)
