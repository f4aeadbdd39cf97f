"""Virtual environments from lists of pinned packages, made once and kept."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path


class NotInstalled(Exception):
    """An environment could not be made; the message says why."""


def environment(requirements: Path, cache: Path) -> Path:
    """The folder of the environment that holds exactly `requirements`, made now if it is not in `cache` yet."""
    folder, stamp = cache / requirements.stem, cache / requirements.stem / "made-of"
    mark = hashlib.sha256(sys.version.encode() + requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == mark:
        return folder
    print(f"installing {requirements.name} into {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(folder / "bin" / "pip"), "install", "--quiet", "--requirement", str(requirements)])
    stamp.write_text(mark)
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" not in line]
        raise NotInstalled(f"`{' '.join(command)}` failed: {' '.join(said)[-500:]}")


def pinned(requirements: Path, package: str) -> str:
    """The version that a list pins a package to."""
    for line in requirements.read_text().splitlines():
        name, _, version = line.partition("==")
        if name.lower() == package:
            return version
    raise KeyError(f"{requirements} does not pin {package}")
