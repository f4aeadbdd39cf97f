"""What `tropism up` does: runs the project's processes here, or in the background."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from tropism.core.errors import Fault, NotReady
from tropism.entrypoints.cli.opening import settings_of
from tropism.entrypoints.starting import address_of, prepare, start
from tropism.entrypoints.supervisor import running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tropism.config import Settings

_PATIENCE = 90.0


def run_up(project: Path, port: int | None) -> None:
    """Supervise until SIGINT or SIGTERM."""
    settings = prepare(_settings(project, port))
    supervisor = start(settings, say=lambda text: click.echo(text, err=True))
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: supervisor.stop())
    address = address_of(settings)
    click.echo(f"Tropism is starting on {address} (logs: {settings.folder / 'logs'}). Ctrl-C stops it.")
    ended = threading.Event()
    teller = threading.Thread(target=_tell_when_ready, args=(address, ended), daemon=True)
    teller.start()
    try:
        supervisor.run()
    finally:
        ended.set()
        teller.join()
    click.echo("stopped")


def start_in_background(project: Path, port: int | None) -> None:
    """Start `tropism up` on its own and wait until it answers."""
    settings = prepare(_settings(project, port))
    command = [sys.executable, "-m", "tropism", "-C", str(project), "up"]
    command += [] if port is None else ["--port", str(port)]
    log = settings.folder / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _wait_ready(settings, process, log)
    found = running(settings.folder)
    click.echo(
        f"Tropism is up on {address_of(settings)} (process {found.pid if found else process.pid}). "
        f"Stop it: tropism -C {project} down"
    )


def _settings(project: Path, port: int | None) -> Settings:
    return settings_of(project, {} if port is None else {"http": {"port": port, "control_port": port + 1}})


def _wait_ready(settings: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
    def going() -> bool:
        return process.poll() is None and time.monotonic() < deadline

    deadline = time.monotonic() + _PATIENCE
    if _ready(lambda: address_of(settings), going):
        return
    if process.poll() is not None:
        told = log.read_text(errors="replace").strip()[-800:]
        raise NotReady("it stopped while starting", Fault(str(log), "", told or "it said nothing"))
    fix = f"it goes on starting: see {log.parent}, and `tropism status`; `tropism down` stops it"
    raise NotReady(f"it did not become ready in {_PATIENCE:.0f} seconds", Fault("up", f"process {process.pid}", fix))


def _tell_when_ready(address: str, ended: threading.Event) -> None:
    if _ready(lambda: address, lambda: not ended.is_set()):
        click.echo(f"ready: {address}/readyz, {address}/docs")


def _ready(address: Callable[[], str], going: Callable[[], bool]) -> bool:
    """True once the project answers, False when `going` says that there is no more to wait for."""
    import httpx

    with httpx.Client(timeout=2, trust_env=False) as client:
        while going():
            try:
                if client.get(f"{address()}/readyz").status_code == 200:
                    return True
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
    return False
