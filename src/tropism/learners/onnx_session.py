"""Sessions of ONNX Runtime, which is imported only when one is opened."""

from __future__ import annotations

from typing import Any

from tropism.core.errors import ArtifactRefused, Fault, SettingInvalid
from tropism.core.plugins import require

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_FATAL = 4


def providers(enable_gpu: bool) -> list[str]:
    """Where models run: on the CPU, or on the GPU with the CPU for what the GPU cannot do.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        SettingInvalid: a GPU was asked for, and this ONNX Runtime has none.
    """
    if not enable_gpu:
        return [CPU]
    found = _runtime().get_available_providers()
    if CUDA not in found:
        fix = "install onnxruntime-gpu and its CUDA libraries, or do not enable the GPU"
        raise SettingInvalid("this ONNX Runtime cannot use a GPU", Fault("enable_gpu", ", ".join(found), fix))
    return [CUDA, CPU]


def open_session(model: bytes, enable_gpu: bool = False) -> Any:
    """An `InferenceSession` of an audited model, with one thread: workers are processes, and share the cores.

    Raises:
        MissingExtra, SettingInvalid: as `providers`.
        ArtifactRefused: ONNX Runtime cannot run the model.
    """
    runtime, chosen = _runtime(), providers(enable_gpu)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    # The arena never gives memory back, and these graphs allocate little.
    options.enable_cpu_mem_arena = False
    try:
        session = runtime.InferenceSession(model, options, providers=chosen)
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ArtifactRefused(
            "ONNX Runtime cannot run the model", Fault("model.onnx", said, "export the model again")
        ) from error
    if enable_gpu and CUDA not in session.get_providers():
        fix = "look at the driver and the CUDA libraries, or do not enable the GPU"
        raise SettingInvalid("ONNX Runtime could not start on the GPU", Fault("enable_gpu", "true", fix))
    return session


def _runtime() -> Any:
    runtime = require("onnxruntime", "onnx")
    runtime.set_default_logger_severity(_FATAL)
    runtime.disable_telemetry_events()
    return runtime
