"""Makes the lock files from pyproject.toml, or checks without a network that they are not older than it.

    python scripts/lock.py [--upgrade] | --check

Each lock file begins with a digest of the requirements that it was made from; the check compares it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MARK = "# made from: sha256:"
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


class Lock(NamedTuple):
    """A lock file: which extras it holds, and another lock file whose versions it keeps to."""

    file: str
    extras: tuple[str, ...]
    within: str | None = None


LOCKS = (
    Lock("requirements.lock", ("demo",)),
    Lock("requirements-dev.lock", ("dev", "demo", "postgres", "redis", "onnx", "xgboost", "grpc"), "requirements.lock"),
)


def digest(project: dict[str, Any], extras: tuple[str, ...]) -> str:
    """A digest of everything in pyproject.toml that the lock file follows from."""
    table = project["project"]
    inputs = {
        "python": table["requires-python"],
        "build": sorted(project["build-system"]["requires"]),
        "dependencies": sorted(table["dependencies"]),
        "extras": {name: sorted(table["optional-dependencies"][name]) for name in sorted(extras)},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def pins(text: str) -> dict[str, str]:
    """Versions by package name."""
    return dict(_PIN.findall(text))


def make(lock: Lock, project: dict[str, Any], upgrade: bool) -> None:
    """Resolve with pip-compile. Index addresses stay out of the file; hashes go in."""
    path = ROOT / lock.file
    command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--no-config", "--output-file", lock.file]
    command += ["--strip-extras", "--allow-unsafe", "--generate-hashes", "--build-deps-for", "editable"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"]
    command += [f"--extra={extra}" for extra in lock.extras]
    command += ["--constraint", lock.within] if lock.within else []
    command += ["--upgrade"] if upgrade else []
    subprocess.run(
        [*command, "pyproject.toml"], cwd=ROOT, check=True, env=os.environ | {"CUSTOM_COMPILE_COMMAND": "make lock"}
    )
    path.write_text(f"{MARK}{digest(project, lock.extras)}\n{path.read_text()}")


def problems(lock: Lock, project: dict[str, Any]) -> list[str]:
    """What is wrong with a lock file, as sentences."""
    path = ROOT / lock.file
    if not path.exists():
        return [f"{lock.file} is missing: run `make lock`"]
    text = path.read_text()
    found = []
    if not text.startswith(f"{MARK}{digest(project, lock.extras)}\n"):
        found.append(f"{lock.file} was not made from the requirements in pyproject.toml: run `make lock`")
    if re.search(r"^--|://", text, re.MULTILINE):
        found.append(f"{lock.file} names an address or an option of one machine: run `make lock`")
    if lock.within:
        here, within = pins(text), pins((ROOT / lock.within).read_text())
        for name, version in within.items():
            if here.get(name) != version:
                found.append(f"{lock.file} has {name} {here.get(name)}, {lock.within} {version}: run `make lock`")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="Only look; exits with 1 when a lock file is stale.")
    parser.add_argument("--upgrade", action="store_true", help="Take the newest versions instead of the pinned ones.")
    arguments = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if not arguments.check:
        for lock in LOCKS:
            make(lock, project, arguments.upgrade)
    found = [problem for lock in LOCKS for problem in problems(lock, project)]
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print("the lock files are up to date")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
