"""What this process uses of its machine: processor time, memory, and graphics processors where NVML tells of them."""

from __future__ import annotations

import os
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

_STATM = Path("/proc/self/statm")


class Gpu(msgspec.Struct, frozen=True):
    """One device as it is now. `busy`: share of the last moment (1 s or less) in which it worked."""

    number: int
    busy: float
    memory_bytes: int


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu_seconds`: of all threads since the process began. `memory_bytes`: resident; None if nobody tells."""

    cpu_seconds: float = 0.0
    memory_bytes: int | None = None
    gpus: tuple[Gpu, ...] = ()


def resources(gpus: tuple[Gpu, ...] = ()) -> Resources:
    """What is used now; `gpus` as they were read before.

    >>> resources().cpu_seconds > 0
    True
    """
    return Resources(cpu_seconds=time.process_time(), memory_bytes=_resident(), gpus=gpus)


class Gpus:
    """The devices of NVIDIA on this machine, as NVML tells of them; none without it or its package.

    https://docs.nvidia.com/deploy/nvml-api/ A device that stops answering is left out from then on. Reading takes
    milliseconds: not for an event loop.
    """

    def __init__(self, module: str = "pynvml") -> None:
        self._module = module
        self._nvml: Any = None
        self._devices: dict[int, Any] = {}

    def _open(self) -> None:
        try:
            self._nvml = nvml = import_module(self._module)
            nvml.nvmlInit()
            self._devices = {n: nvml.nvmlDeviceGetHandleByIndex(n) for n in range(nvml.nvmlDeviceGetCount())}
        except Exception:  # noqa: BLE001  no package, no driver, no right to ask: there is nothing to tell
            self._nvml = self._nvml or False

    def read(self) -> tuple[Gpu, ...]:
        """The devices that answer. Looks for them the first time."""
        if self._nvml is None:
            self._open()
        found = []
        for number, device in list(self._devices.items()):
            try:
                busy = self._nvml.nvmlDeviceGetUtilizationRates(device).gpu / 100
                memory = int(self._nvml.nvmlDeviceGetMemoryInfo(device).used)
            except Exception:  # noqa: BLE001  a device that fell off the bus, or one that does not tell
                del self._devices[number]
                continue
            found.append(Gpu(number, busy, memory))
        return tuple(found)


def _resident() -> int | None:
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
