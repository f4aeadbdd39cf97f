"""What bench/serving.py measures with: counting, accounting and ending of processes. Its servers are not needed."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
Import = Callable[[str], Any]


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Import:
    """Imports a module that the benchmarks share."""
    monkeypatch.syspath_prepend(str(BENCH))
    return lambda name: import_module(f"measuring.{name}")


STAT = "{} ({}) S {} 7 9 0 -1 4194560 100 200 0 0 {} {} {} {} 20 0 5 0 4242 1000000 {} 0\n"


def test_a_program_may_be_called_anything(measuring: Import) -> None:
    stat = measuring("processes").parse_stat(STAT.format(12, "ray :: a) R (b", 3, 100, 50, 20, 30, 8))
    assert (stat.pid, stat.parent, stat.session, stat.started) == (12, 3, 9, 4242)
    assert stat.seconds == 200 / os.sysconf("SC_CLK_TCK"), "its own time and that of the children it has waited for"
    assert stat.resident == 8 * os.sysconf("SC_PAGE_SIZE")


def test_a_tree_has_the_children_of_children_and_no_strangers(measuring: Import) -> None:
    processes = measuring("processes")
    parents = {1: 0, 10: 1, 30: 20, 20: 10, 40: 30, 11: 1}
    stats = [processes.parse_stat(STAT.format(pid, "x", parent, 0, 0, 0, 0, 0)) for pid, parent in parents.items()]
    assert {stat.pid for stat in processes.descendants(10, stats)} == {10, 20, 30, 40}
    assert processes.descendants(99, stats) == []


BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ntime.sleep(600)"
PARENT = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {BUSY!r}], start_new_session=True)"
SERVER = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {PARENT!r}])\ntime.sleep(600)"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_is_counted_and_ended_with_what_it_left_behind(measuring: Import, tmp_path: Path) -> None:
    processes = measuring("processes")
    server = processes.Server([sys.executable, "-c", SERVER], tmp_path / "log", {}, tmp_path)
    try:
        end = time.monotonic() + 60
        while server.log.read_text() != "done\n" and time.monotonic() < end:
            time.sleep(0.01)
        pids = {stat.pid for stat in server.tree()}
        assert len(pids) == 2, "the child's child, whose parent has gone, is the server's"
        assert server.cpu_seconds() >= 0.3
        assert server.resident_bytes() > 0
    finally:
        server.stop()
    assert not pids & {stat.pid for stat in processes.running() if stat.state != "Z"}
    assert not server.alive


def test_what_wrk_prints_itself_is_passed_over(measuring: Import) -> None:
    line = '{"sent":1016,"answered":1000,"seconds":2.000000,"refused":3,"broken":1,"p50_ms":0.500,"p99_ms":1.250}'
    counted = measuring("wrk").parse(f"Running 2s test\n  Requests/sec: 500\n{line}\n")
    assert (counted.sent, counted.rate, counted.faults, counted.p99_ms) == (1016, 500.0, 4, 1.25)
    with pytest.raises(ValueError, match="did not say"):
        measuring("wrk").parse("unable to connect\n")


@pytest.mark.parametrize(
    ("reply", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
    ],
)
def test_a_reply_is_waited_for_to_its_end(measuring: Import, reply: bytes, complete: bool) -> None:
    assert measuring("steady").complete(reply) is complete


@pytest.fixture
def stalling(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that answers 200, but the first request only after a while and the third with 500."""
    answers = iter([b"200", b"200", b"500", b"200"])
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            wire, _ = listener.accept()
            with closing(wire):
                time.sleep(0.3)
                for status in answers:
                    while b"}" not in wire.recv(4_096):
                        pass
                    wire.sendall(b"HTTP/1.1 " + status + b" X\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_stall_counts_for_all_that_had_to_wait(measuring: Import, stalling: int) -> None:
    steady = measuring("steady")
    found = steady.send(stalling, [steady.request("/", b"{}", stalling)], rate=100.0, seconds=0.04, connections=1)
    assert len(found.latencies) == 4
    assert min(found.latencies) > 0.1, "the later ones were due while the first was not answered yet"
    assert found.faults == 1
    assert found.quantile(1.0) == 1e3 * max(found.latencies)


def test_the_figures_are_the_medians_and_the_file_has_its_shape(measuring: Import) -> None:
    figures, counted = measuring("serving_run").Figures, measuring("wrk").Counted
    report = measuring("serving_report")

    def rounds(*cpu: float) -> Any:
        load = counted(100, 100, 1.0, 0, 0, 1.0, 2.0)
        return report.row([figures(one, one / 10, 1.5, 1.0, load, load, 80.0) for one in cpu])

    rows = {"ours": rounds(50, 40, 90), "ours_no_journal": rounds(45), "mlflow": rounds(5000), "echo": rounds(10)}
    found = report.document(rows, ["mlflow", "failed"], ["echo"])
    assert found == {
        "ours": {"cpu_us_single": 50, "cpu_us_row_64": 5, "p99_ms_200rps": 1.5, "journal_share": 0.1},
        "peers": {"mlflow": {"cpu_us_single": 5000, "cpu_us_row_64": 500, "p99_ms_200rps": 1.5}},
        "limits": {"echo": {"cpu_us_single": 10, "cpu_us_row_64": 1, "p99_ms_200rps": 1.5}},
    }
    assert "100.00x" in report.table(rows)


def test_a_list_of_packages_names_versions(measuring: Import, tmp_path: Path) -> None:
    (tmp_path / "peer.txt").write_text("# made on Linux\nRay==2.60.0\nray-haproxy==2.8.25\n")
    assert measuring("environments").pinned(tmp_path / "peer.txt", "ray") == "2.60.0"
    with pytest.raises(KeyError, match="does not pin"):
        measuring("environments").pinned(tmp_path / "peer.txt", "mlflow")
