"""A receiver of webhooks and the sender of alerts are killed again and again; each alert arrives, and arrives once.

Run as a script, this file is the sender that is killed.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tropism.core.clock import SECOND, ManualClock, SystemClock
from tropism.monitoring.delivery.channels import open_channels
from tropism.monitoring.delivery.rounds import Delivered, Delivery
from tropism.monitoring.delivery.signature import format_secret
from tropism.monitoring.settings import AlertSettings
from tropism.storage.tables import Database
from tropism.storage.tables.schema import notices_out

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.fault

KEY = bytes(range(32))
NOTICES = 200
KILLS = min(int(os.environ.get("TROPISM_FAULT_ROUNDS", "4")), NOTICES)
SPEED = 40
"""Seconds of the sender's clock in one of ours, so that back-off and leases pass quickly."""


RECEIVER = """
import http.server, json, os, sys
from pathlib import Path
from tropism.core.errors import InvalidInput
from tropism.monitoring.delivery.signature import verify

port, arrived, secret, drops_repeats = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], bool(sys.argv[4])
known = set(arrived.read_text().split()) if drops_repeats and arrived.exists() else set()

def append(path, line):
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\\n".encode())
    os.fsync(descriptor)
    os.close(descriptor)

class Receiving(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            identifier = verify(self.headers, body, secret, tolerance=86_400)
        except InvalidInput:  # its sender was killed in the middle of the body
            return self.send_error(400)
        assert json.loads(body)["alert"]["id"] == identifier
        append(arrived.with_name("repeats") if identifier in known else arrived, identifier)
        if drops_repeats:
            known.add(identifier)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", port), Receiving)
print("ready", flush=True)
server.serve_forever()
"""
"""Writes the id of each webhook into a file, to the disk, before it answers. One that drops repeats reads the file
first, and writes an id that it knows into a file of repeats instead."""


class FastClock:
    """As fast as that since `start`, for every sender after another."""

    def __init__(self, start: int) -> None:
        self._start = start

    def now(self) -> int:
        return self._start + (SystemClock().now() - self._start) * SPEED


def sender(folder: Path, port: int, clock: ManualClock | FastClock, timeout: str) -> Delivery:
    settings = AlertSettings(channels={"ops": f"http://127.0.0.1:{port}/hook"}, timeout=timeout)
    return Delivery(tables(folder), open_channels(settings, KEY, clock), settings, clock)


def send(folder: Path, port: int, begun: int) -> None:
    """Sends until it is killed."""
    delivery = sender(folder, port, FastClock(begun), "10s")
    print("ready", flush=True)  # noqa: T201
    while True:
        delivery.run()
        time.sleep(0.005)


def tables(folder: Path) -> Database:
    database = Database(f"sqlite:///{folder / 'tables.sqlite'}")
    database.migrate()
    return database


def fill(database: Database, numbers: range, now: int) -> None:
    row = {"event": "fired", "channel": "ops", "created_at": now, "attempts": 0, "next_at": now, "error": ""}
    names = [f"n{number:03}" for number in numbers]
    rows = [{**row, "id": n, "alert_id": n, "body": {"type": "alert.fired", "alert": {"id": n}}} for n in names]
    with database.begin() as connection:
        connection.execute(notices_out.insert(), rows)


def is_waiting(database: Database) -> bool:
    with database.read() as connection:
        return connection.execute(notices_out.select().where(notices_out.c.delivered_at.is_(None))).first() is not None


def receive(port: int, arrived: Path, *, drops_repeats: bool) -> subprocess.Popen[str]:
    return start("-c", RECEIVER, port, arrived, format_secret(KEY), "yes" if drops_repeats else "")


def start(*arguments: object) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None
    process.kill()
    process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_receiver_killed_between_requests_gets_each_alert_once_without_dropping_any(tmp_path: Path) -> None:
    """It keeps whatever it is sent: a connection that was refused is no delivery, and no reason for a repeat."""
    port, clock, arrived = free_port(), ManualClock(SystemClock().now()), tmp_path / "arrived"
    delivery, database = sender(tmp_path, port, clock, "5m"), tables(tmp_path)
    done, each = Delivered(), NOTICES // KILLS
    for life in range(KILLS):
        last = NOTICES if life == KILLS - 1 else (life + 1) * each
        fill(database, range(life * each, last), clock.now())
        done += delivery.run()  # nobody is there
        receiver = receive(port, arrived, drops_repeats=False)
        clock.advance(2 * SECOND)
        done += delivery.run()
        kill(receiver)
    delivery.close()
    assert done == Delivered(delivered=NOTICES, failed=KILLS)
    assert Counter(arrived.read_text().split()) == {f"n{number:03}": 1 for number in range(NOTICES)}


def test_whoever_is_killed_at_any_moment_no_alert_is_lost_and_none_is_taken_twice(tmp_path: Path) -> None:
    """The receiver drops an id that it has. What comes again is what a kill kept from being acknowledged."""
    chance = random.Random(5)
    port, arrived, database = free_port(), tmp_path / "arrived", tables(tmp_path)
    begun = SystemClock().now()
    starts: list[Callable[[], subprocess.Popen[str]]] = [
        lambda: receive(port, arrived, drops_repeats=True),
        lambda: start(__file__, tmp_path, port, begun),
    ]
    processes = [one() for one in starts]
    for life in range(KILLS):
        fill(database, range(life * NOTICES // KILLS, (life + 1) * NOTICES // KILLS), begun)
        side = life % 2
        with pytest.raises(subprocess.TimeoutExpired):
            processes[side].wait(chance.uniform(0.05, 0.25))
        kill(processes[side])
        processes[side] = starts[side]()
    deadline = time.monotonic() + 60
    while is_waiting(database) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in processes:
        kill(process)
    database.dispose()
    assert Counter(arrived.read_text().split()) == {f"n{number:03}": 1 for number in range(NOTICES)}
    repeats = (tmp_path / "repeats").read_text().split() if (tmp_path / "repeats").exists() else []
    sys.stdout.write(f"{len(repeats)} of {NOTICES} came again, after {KILLS} kills\n")
    assert len(repeats) <= KILLS  # one at a time is on its way


if __name__ == "__main__":
    send(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
