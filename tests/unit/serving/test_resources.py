from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tropism.serving import resources as module
from tropism.serving.resources import Gpu, Gpus, resources


def test_work_takes_processor_time() -> None:
    before = resources()
    sum(number * number for number in range(200_000))
    assert resources().cpu_seconds > before.cpu_seconds


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc")
def test_memory_that_is_held_is_seen() -> None:
    before = resources().memory_bytes
    held = bytearray(b"x" * 50_000_000)
    after = resources().memory_bytes
    assert before is not None
    assert after is not None
    assert after - before > 40_000_000
    assert held


def test_a_system_that_does_not_tell_of_memory_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_STATM", tmp_path / "none")
    assert resources().memory_bytes is None


def nvml(**broken: Any) -> types.ModuleType:
    """Two devices, as nvidia-ml-py tells of them."""
    made: Any = types.ModuleType("fake_nvml")
    made.nvmlInit = lambda: None
    made.nvmlDeviceGetCount = lambda: 2
    made.nvmlDeviceGetHandleByIndex = lambda number: number
    made.nvmlDeviceGetUtilizationRates = lambda device: types.SimpleNamespace(gpu=50 * device, memory=1)
    made.nvmlDeviceGetMemoryInfo = lambda device: types.SimpleNamespace(used=1_000 + device)
    for name, call in broken.items():
        setattr(made, name, call)
    return made  # type: ignore[no-any-return]


def fail(*_: object) -> None:
    raise RuntimeError("NVML shared library not found")


def test_devices_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fake_nvml", nvml())
    assert Gpus("fake_nvml").read() == (Gpu(0, 0.0, 1_000), Gpu(1, 0.5, 1_001))


def test_a_machine_without_driver_or_package_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fake_nvml", nvml(nvmlInit=fail))
    assert Gpus("fake_nvml").read() == ()
    assert Gpus("no_such_module_here").read() == ()


def test_a_device_that_is_lost_is_left_out_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def memory(device: int) -> Any:
        asked.append(device)
        if device == 0:
            raise RuntimeError("GPU is lost")
        return types.SimpleNamespace(used=7)

    monkeypatch.setitem(sys.modules, "fake_nvml", nvml(nvmlDeviceGetMemoryInfo=memory))
    gpus = Gpus("fake_nvml")
    assert [gpus.read(), gpus.read()] == [(Gpu(1, 0.5, 7),)] * 2
    assert asked == [0, 1, 1]
