"""One process of a project, started as a container starts it: no supervisor, settings from file and environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tropism.core.identity import derived_id, task_tag
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.foreground import FOREGROUND
from tropism.registry import NewJob
from tropism.sdk import Client
from tropism.wiring import Platform

PATIENCE = 60.0
RUN = """
import sys
from pathlib import Path
from tropism.entrypoints.cli.process import run
run([sys.argv[2]], obj=Path(sys.argv[1]))
"""


def start(project: Path, process: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(project), process], env={**os.environ, **environment}, stderr=subprocess.PIPE
    )


def end(process: subprocess.Popen[bytes]) -> str:
    """Told to stop as a container is, it ends by itself; what it logged."""
    process.send_signal(signal.SIGTERM)
    _, logged = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGTERM)
    return logged.decode()


def test_the_two_planes_run_with_settings_of_the_environment(project: Path, platform: Platform) -> None:
    port, control = free_ports(2)
    ports = {"TROPISM_HTTP_PORT": str(port), "TROPISM_HTTP_CONTROL_PORT": str(control)}
    planes = [start(project, name, **ports) for name in ("data-plane", "control-plane")]
    url = f"http://127.0.0.1:{port}"
    try:
        with Client(url, retries=0) as client, httpx.Client(base_url=url, trust_env=False) as http:
            client.wait_ready(PATIENCE)
            deadline = time.monotonic() + PATIENCE
            while (reply := http.get("/v1/tasks")).status_code != 200:
                assert time.monotonic() < deadline, "the data plane does not find the control plane"
    finally:
        logged = [end(plane) for plane in planes]
    assert reply.json()[0]["name"] == "payments"
    assert "Traceback" not in "".join(logged)


def test_the_worker_does_what_is_asked_of_it(project: Path, platform: Platform) -> None:
    jobs, now = platform.registry.jobs, platform.clock.now()
    key = derived_id(now, "test", task_tag("payments"))
    jobs.submit(NewJob(id=key, task="payments", kind="cycle", request={"task": "payments"}), now=now)
    worker = start(project, "worker")
    deadline = time.monotonic() + PATIENCE
    while jobs.get(key).status not in ("done", "failed"):
        assert worker.poll() is None and time.monotonic() < deadline
    assert jobs.get(key).status == "done"
    assert "Traceback" not in end(worker)


@pytest.mark.parametrize("process", list(FOREGROUND))
def test_a_folder_that_is_no_project_is_refused(tmp_path: Path, process: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), process], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "is not a project" in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was made in it"
