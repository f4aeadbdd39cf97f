"""A real Prometheus scrapes what Tropism tells, and the rules it exports fire there."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.loop.test_up import Shop, wait

from tropism import Feature, Task
from tropism.core.monitoring import Monitoring, Rule, effective_rules
from tropism.entrypoints.api.metrics import MEDIA_TYPE, exposition
from tropism.monitoring.prometheus import Known, export, gauges
from tropism.project import load_project
from tropism.serving import SnapshotHolder
from tropism.serving.meters import Meters

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs Prometheus: apt-get install prometheus"
)
FEATURE = 'größe "x" {{ 🦊\t \\'
RULES = (
    Rule("accuracy", "accuracy < 0.85", "high"),
    Rule("drift", f"drift > 0.8 and drift('{FEATURE}') > 0.8", "high", description="it {{ drifts }}"),
    Rule("latency", "latency_p95 > 500ms and predictions > 1", hold="1s"),
    Rule("errors", "error_rate > 5%"),
)


class Prometheus:
    """A server in a folder of its own, that scrapes one target every second."""

    def __init__(self, folder: Path, target: int, rules: str) -> None:
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        }
        (folder / "rules.yml").write_text(rules)
        (folder / "prometheus.yml").write_text(json.dumps(config))
        options = (f"config.file={folder}/prometheus.yml", f"storage.tsdb.path={folder}/data")
        words = ["prometheus", *(f"--{one}" for one in options), f"--web.listen-address=127.0.0.1:{self._port}"]
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(words, stdout=self._log, stderr=self._log)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def ask(self, path: str) -> Any:
        """`data` of an answer; None while it starts."""
        assert self._process.poll() is None, Path(self._log.name).read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def firing(self) -> dict[str, dict[str, str]]:
        """Annotations of the alerts that fire, by rule; every scrape must have been right."""
        targets, alerts = self.ask("targets"), self.ask("alerts")
        if not targets or not alerts:
            return {}
        assert [one["lastError"] for one in targets["activeTargets"]] in ([], [""])
        return {one["labels"]["rule"]: one["annotations"] for one in alerts["alerts"] if one["state"] == "firing"}


Start = Callable[[int, str], Prometheus]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Prometheus] = []

    def run(target: int, rules: str) -> Prometheus:
        started.append(Prometheus(tmp_path / "prometheus", target, rules))
        return started[-1]

    yield run
    for one in started:
        one.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[], str]], int]]:
    """Serves a text that is made anew for every request; returns the port."""
    servers: list[ThreadingHTTPServer] = []

    def run(text: Callable[[], str]) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = text().encode()
                self.send_response(200)
                self.send_header("Content-Type", MEDIA_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return int(servers[-1].server_address[1])

    yield run
    for one in servers:
        one.shutdown()
        one.server_close()


def test_exported_rules_fire_on_what_is_scraped(start: Start, serve: Callable[[Callable[[], str]], int]) -> None:
    watched = Monitoring(period="1m", rules=RULES)
    task = Task(name="price", kind="binary", target="y", features=(Feature(FEATURE),), monitoring=watched)
    facts: dict[str, float | None] = {"accuracy": 0.9, "drift": 0.95, f"drift:{FEATURE}": 0.9}
    known = Known(version=3, facts=facts, rules=effective_rules(watched))
    meters = Meters()

    def text() -> str:
        for _ in range(10):
            meters.predictions.add("price", "3", "champion")
            meters.latency.observe(0.8, "price")
        return exposition(meters, SnapshotHolder(), "w0", more=[gauges({"price": known})])

    prometheus = start(serve(text), export([task], {"job": "shop"}))
    wait(lambda: prometheus.firing().keys() >= {"drift", "latency"})
    firing = prometheus.firing()
    assert firing.keys() == {"drift", "latency"}, "accuracy is well, there are no errors, and decay is not known"
    assert firing["drift"]["summary"] == "price: it {{ drifts }}"
    assert firing["drift"]["description"].endswith("> 0.8; now at 0.95")


PROJECT = """
from tropism import Feature, Task
from tropism.core.monitoring import Monitoring, Rule

payments = Task(
    name="payments",
    kind="binary",
    target="is_fraud",
    features=(Feature("amount"), Feature("country", type="category")),
    monitoring=Monitoring(
        period="1m",
        rules=(
            Rule("quiet", "predictions < 1"),
            Rule("busy", "throughput > 0.01 and latency_p50 < 10s and not error_rate > 0%"),
        ),
    ),
)
"""


def test_exported_rules_fire_on_a_real_data_plane(start: Start, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.init()
    (tmp_path / "project.py").write_text(PROJECT)
    [task] = load_project(tmp_path / "project.py")
    try:
        shop.do("up", "--detach")
        prometheus = start(shop.port, export([task]))
        wait(lambda: prometheus.firing().keys() == {"quiet"})
        with shop.client() as client:
            client.wait_ready()

            def busy() -> bool:
                client.predict("payments", {"amount": 1.0, "country": "NL"})
                return "busy" in prometheus.firing()

            wait(busy)
        with urllib.request.urlopen(f"{shop.address}/metrics", timeout=10) as answer:
            words = ["promtool", "check", "metrics"]
            done = subprocess.run(words, input=answer.read(), capture_output=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert "latency" not in prometheus.firing()
    finally:
        shop.run("down")
