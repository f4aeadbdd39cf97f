"""`tropism up`, `down`, `status`: the processes of a project."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tropism.core.errors import Fault, NotReady

if TYPE_CHECKING:
    from tropism.config import Settings

project_folder = click.make_pass_decorator(Path)


def _settings(project: Path, port: int | None) -> Settings:
    from tropism.config import load_settings

    overrides = {} if port is None else {"http": {"port": port, "control_port": port + 1}}
    return load_settings(project, overrides)


@click.command()
@click.option("--port", type=int, help="Public port; the control plane takes the next one (default: 8700).")
@click.option("--detach", is_flag=True, help="Go on in the background; `tropism down` stops it.")
@project_folder
def up(project: Path, port: int | None, detach: bool) -> None:
    """Serve the project: data plane, control plane and loop worker. Ctrl-C stops all of them."""
    from tropism.entrypoints.starting import prepare, start

    settings = _settings(project, port)
    if detach:
        _start_in_background(project, settings, port)
        return
    supervisor = start(prepare(settings), say=lambda text: click.echo(text, err=True))
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: supervisor.stop())
    address = f"http://{settings.http.host}:{settings.http.port}"
    click.echo(f"Tropism is starting on {address} (logs: {settings.folder / 'logs'}). Ctrl-C stops it.")
    supervisor.run()
    click.echo("stopped")


def _start_in_background(project: Path, settings: Settings, port: int | None) -> None:
    from tropism.entrypoints.starting import prepare
    from tropism.entrypoints.supervisor import running

    prepare(settings)
    command = [sys.executable, "-m", "tropism", "-C", str(project), "up"]
    command += [] if port is None else ["--port", str(port)]
    log = settings.folder / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    address = f"http://{settings.http.host}:{settings.http.port}"
    _wait_ready(address, process, log)
    found = running(settings.folder)
    click.echo(
        f"Tropism is up on {address} (process {found.pid if found else process.pid}). "
        f"Stop it: tropism -C {project} down"
    )


def _wait_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    import httpx

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotReady(
                "it stopped while starting", Fault(str(log), "", log.read_text(errors="replace").strip()[-800:])
            )
        try:
            if httpx.get(f"{address}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise NotReady("it did not become ready in 30 seconds", Fault(str(log), "", "read the log"))


@click.command()
@project_folder
def down(project: Path) -> None:
    """Stop a project that is up."""
    from tropism.entrypoints.supervisor import bring_down

    click.echo("stopped" if bring_down(_settings(project, None).folder) else "it was not up")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@project_folder
def status(project: Path, as_json: bool) -> None:
    """What runs, what each task's model is, how it does, what came back."""
    from tropism.entrypoints.cli.show_status import show_status

    show_status(_settings(project, None), as_json)
