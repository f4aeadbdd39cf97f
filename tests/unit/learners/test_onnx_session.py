from __future__ import annotations

import sys

import pytest
from tests.unit.learners.onnx_graphs import helper, model, network

from tropism.core.errors import ArtifactRefused, MissingExtra, SettingInvalid
from tropism.learners.onnx_session import CPU, CUDA, open_session, providers

runtime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")


def test_models_run_on_the_cpu_unless_a_gpu_is_asked_for() -> None:
    assert providers(False) == [CPU]
    assert open_session(network().SerializeToString()).get_providers() == [CPU]


def test_a_gpu_that_is_not_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "get_available_providers", lambda: [CPU])
    with pytest.raises(SettingInvalid, match="cannot use a GPU") as caught:
        open_session(network().SerializeToString(), enable_gpu=True)
    assert caught.value.faults[0].field == "enable_gpu"


def test_a_gpu_is_asked_first_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "get_available_providers", lambda: [CUDA, CPU])
    assert providers(True) == [CUDA, CPU]


def test_a_gpu_that_does_not_start_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fallen:
        """ONNX Runtime's own: without the driver it warns and goes on without the GPU."""

        def __init__(self, *given: object, **more: object) -> None: ...

        def get_providers(self) -> list[str]:
            return [CPU]

    monkeypatch.setattr(runtime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(runtime, "InferenceSession", Fallen)
    with pytest.raises(SettingInvalid, match="could not start on the GPU"):
        open_session(network().SerializeToString(), enable_gpu=True)


def test_one_thread_runs_a_model() -> None:
    options = open_session(network().SerializeToString()).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_what_onnx_runtime_cannot_run_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    unknown = model([helper.make_node("NoSuchOperator", ["input"], ["scores"])], {}).SerializeToString()
    with pytest.raises(ArtifactRefused) as caught:
        open_session(unknown)
    assert "\n" not in caught.value.faults[0].value
    assert capfd.readouterr() == ("", "")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for enable_gpu in (False, True):
        with pytest.raises(MissingExtra, match=r"tropism\[onnx\]"):
            open_session(b"", enable_gpu)
