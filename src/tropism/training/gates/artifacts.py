"""Is what lies in the store what was trained, harmless, and of use to the task as it is now?"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import TropismError
from tropism.core.governance import GateResult, IntegrationGate, SecurityGate, SignatureGate, gate_name
from tropism.learners.artifact import MOST_FILE, load, read_manifest
from tropism.registry.signature import signature_faults

if TYPE_CHECKING:
    from tropism.learners.artifact import FileFacts
    from tropism.training.gates.context import GateContext

_ROWS, _ROUNDING = 8, 1e-9
SUFFIXES = (".json", ".onnx", ".safetensors", ".txt")
_EXECUTABLE = {
    b"\x7fELF": "a program for Linux",
    b"MZ": "a program for Windows",
    b"\xcf\xfa\xed\xfe": "a program for macOS",
    b"\xca\xfe\xba\xbe": "a program",
    b"#!": "a script",
    b"PK\x03\x04": "a ZIP archive, as PyTorch writes pickles",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}


def integration(gate: IntegrationGate, context: GateContext) -> GateResult:
    """Loaded from the store, scoring its stored rows as when it was trained, answering rows as they are sent.

    A model that keeps no rows of its training's framework is loaded twice instead, and both must say the same.
    """
    name, required = gate_name(gate), "it loads, reproduces its scores, and answers"
    try:
        model, again = (load(context.version.artifact, context.artifacts) for _ in range(2))
    except TropismError as error:
        return GateResult(name=name, passed=False, required=required, message=f"it does not load: {error.message}")
    rows = context.examples[:_ROWS]
    together = model.predict_rows(rows)
    if together.shape != (len(rows), model.signature.outputs) or not np.all(np.isfinite(together)):
        message = f"it answers {len(rows)} rows with scores {together.shape}, not all of them numbers; train it again"
        return GateResult(name=name, passed=False, required=required, message=message)
    size = max(1.0, float(np.max(np.abs(together))))
    alone = np.vstack([model.predict_rows([row]) for row in rows])
    apart = max(float(np.max(np.abs(one - together))) / size for one in (alone, again.predict_rows(rows)))
    verified = model.verified
    allowed = _ROUNDING if verified is None else max(verified.tolerance, _ROUNDING)
    told = "it keeps no rows to compare by; two loads were compared"
    if verified is not None:
        told = f"{verified.rows} stored rows are at most {verified.difference:.2g} from what the training said"
    return GateResult(
        name=name,
        passed=apart <= allowed,
        measured=apart if verified is None else max(apart, verified.difference),
        required=required,
        message=f"{told}; a row alone, among others and loaded again is at most {apart:.2g} apart",
        details={"stored_rows": 0 if verified is None else verified.rows, "tolerance": allowed},
    )


def security(gate: SecurityGate, context: GateContext) -> GateResult:
    """Known kinds of plain data, as they were stored, none of it executable, then the audit of the format itself."""
    name, required = gate_name(gate), "only known formats, intact, nothing executable"
    try:
        manifest = read_manifest(context.version.artifact, context.artifacts)
        faults = [fault for file in manifest.files for fault in _file_faults(file, context)]
        if not faults:
            load(context.version.artifact, context.artifacts)
    except TropismError as error:
        faults = [error.message, *(f"{fault.field}: {fault.value}; {fault.fix}" for fault in error.faults)]
        return GateResult(name=name, passed=False, required=required, message="; ".join(faults))
    size = sum(file.size for file in manifest.files)
    told = f"{len(manifest.files)} files of the format '{manifest.format}', {size:,} bytes, all as they were stored"
    return GateResult(
        name=name,
        passed=not faults,
        measured=float(len(faults)),
        required=required,
        message="; ".join(faults) or told,
        details={"format": manifest.format, "files": [file.name for file in manifest.files], "bytes": size},
    )


def signature(gate: SignatureGate, context: GateContext) -> GateResult:
    """What the version takes and gives fits the task as it is now."""
    faults = signature_faults(context.version.signature, context.task)
    told = "; ".join(f"{fault.field}: {fault.value}; {fault.fix}" for fault in faults)
    known = bool(context.version.signature.get("inputs"))
    message = told or "it takes and gives what the task does"
    if not known and not faults:
        message = "not assessed: the version was registered without a signature; train it again"
    return GateResult(
        name=gate_name(gate),
        passed=known and not faults,
        measured=float(len(faults)),
        required="what it takes and gives is what the task has",
        message=message,
        assessed=known,
    )


def _file_faults(file: FileFacts, context: GateContext) -> list[str]:
    data = context.artifacts.get(file.sha256)
    faults = []
    if hashlib.sha256(data).hexdigest() != file.sha256:
        faults.append(f"{file.name} was changed after it was stored")
    if len(data) != file.size or len(data) > MOST_FILE:
        faults.append(f"{file.name} has {len(data):,} bytes, its manifest says {file.size:,}, {MOST_FILE:,} are let in")
    if PurePosixPath(file.name).suffix not in SUFFIXES:
        faults.append(f"{file.name} is of no kind that is known: {', '.join(SUFFIXES)}")
    for mark, what in _EXECUTABLE.items():
        if data.startswith(mark):
            faults.append(f"{file.name} is {what}")
    return faults
