"""What a replay came to, written as one page to read and one file to compute with."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.clock import iso
from tropism.core.errors import DiskFull, Fault, NotWritable
from tropism.entrypoints.replay.page import page
from tropism.entrypoints.replay.summary import as_json, verdict

if TYPE_CHECKING:
    from os import PathLike

    from tropism.entrypoints.replay.record import Report

HTML, JSON = "report.html", "report.json"


def write_report(folder: str | PathLike[str], report: Report) -> tuple[Path, Path]:
    """Writes `report.html` and `report.json` and returns their paths. Each file is whole or not there.

    Raises:
        NotWritable: the folder cannot be made or written to.
        DiskFull: the disk is full.
    """
    folder = Path(folder)
    body = msgspec.json.format(msgspec.json.encode(_finite(report_json(report))), indent=2)
    pages = {folder / HTML: page(report).encode(), folder / JSON: body + b"\n"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in pages.items():
            _replace(path, content)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fix = "free some space, or name a folder on another disk with --out"
            raise DiskFull(f"the disk is full while writing {folder}", Fault("--out", str(folder), fix)) from error
        fix = "make it writable, or name another folder with --out"
        problem = f"{folder} cannot be written: {error.strerror}"
        raise NotWritable(problem, Fault("--out", str(folder), fix)) from error
    return folder / HTML, folder / JSON


def report_json(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    stream, task = report.stream, report.stream.task
    best = verdict(task.metric_name, report.policies)
    return {
        **report.extra,
        "events": len(stream),
        "metric": task.metric_name,
        "label_delay": stream.delay_text,
        "policies": {policy.name: as_json(policy) for policy in report.policies},
        "decisions": [
            {
                "id": decision.id,
                "at": iso(decision.at),
                "kind": decision.kind,
                "model": decision.model,
                "version": decision.version,
                "evidence": dict(decision.evidence),
            }
            for decision in report.decisions
        ],
        "served_over_http": report.served_over_http,
        "source": str(stream.path),
        "task": task.name,
        "kind": task.kind,
        "target": task.target,
        "features": list(task.feature_names),
        "time": stream.time,
        "warmup": report.warmup,
        "best": {"policy": best.best, "clear": best.clear, "sentence": best.sentence},
        "drift": [{"at": iso(one.at), "feature": one.feature, "score": one.score} for one in report.drift],
        "notes": list(stream.notes),
        "command": report.command,
    }


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; null stands for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
