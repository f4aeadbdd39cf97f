"""A project with features in real processes: bad definitions, bad requests, versions that change under load."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.loop.test_up import Shop, wait
from tests.unit.featurestore.shops import PROJECT, write_profiles


class Store(Shop):
    """The project that is served, and what its callers send."""

    def init(self) -> None:
        super().init()
        (self.folder / "project.py").write_text(PROJECT)
        write_profiles(self.folder, "gold")
        settings = self.folder / "tropism.toml"
        settings.write_text(f'{settings.read_text()}[features]\nretry = "1s"\n')

    def edit(self, before: str, after: str) -> None:
        path = self.folder / "project.py"
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    def push(self, *events: dict[str, Any], stream: str = "payments") -> httpx.Response:
        return httpx.post(f"{self.address}/v1/features/{stream}/events", json={"events": events}, timeout=30)

    def predict(self, **features: Any) -> dict[str, Any]:
        sent = {"amount": 8.0, "account_id": "a", **features}
        reply = httpx.post(f"{self.address}/v1/tasks/fraud/predict", json={"features": sent}, timeout=30)
        found: dict[str, Any] = reply.json()
        return found

    def values(self, name: str) -> dict[str, Any]:
        body = {"features": [name], "rows": [{"account_id": "a", "amount": 8.0}]}
        reply = httpx.post(f"{self.address}/api/v1/ml/features/compute", json=body, timeout=30).json()
        found: dict[str, Any] = reply["rows"][0]["values"] if "rows" in reply else {}
        return found

    def log(self, process: str) -> str:
        return (self.folder / ".tropism" / "logs" / f"{process}.log").read_text()


def event(**changes: Any) -> dict[str, Any]:
    return {"at": datetime.now(UTC).isoformat(), "account_id": "a", "amount": "4.00", **changes}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Store(folder)
    made.init()
    yield made
    made.run("down")


@pytest.fixture
def up(store: Store) -> Store:
    store.do("up", "--detach")
    assert store.push(event()).status_code == 202
    wait(lambda: store.values("spend.sum_amount_24h") == {"spend.sum_amount_24h": "4.00"})
    wait(lambda: store.values("profile.segment") == {"profile.segment": "gold"})
    return store


@pytest.mark.parametrize(
    ("before", "after", "field", "value"),
    [
        ('agg.sum("amount"', 'agg.sum("account_id"', "fields", "text"),
        ('agg.sum("amount", "24h")', 'agg.sum("amount", "1m", hop="5m")', "hop", "'5m'"),
        ('every="1s"', 'every="1s", ttl="-30d"', "ttl", "'-30d'"),
        ('"profile",', '"spend",', "", "'spend'"),
        ('agg.sum("amount"', 'agg.sum("amnt"', "fields", "'amnt'"),
        ('key="account_id"', 'key="account"', "schema.account", "missing"),
        ('views=("spend"', 'views=("spent"', "views", "'spent'"),
        ("StreamSource(", "StreamSorce(", "", "StreamSorce"),
    ],
)
def test_a_bad_definition_is_refused_with_its_line_and_nothing_is_applied(
    store: Store, before: str, after: str, field: str, value: str
) -> None:
    store.edit(before, after)
    said = store.run("apply")
    assert (said.code, said.out) == (1, "")
    assert "project.py:" in said.err
    assert field in said.err
    assert value in said.err
    assert "entity" not in store.do("features", "list")


def test_what_is_wrong_with_a_push_is_named_and_none_of_it_is_kept(up: Store) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for wrong, field in (
        ({"zzz": 1}, "events[1].zzz"),
        ({"at": ahead}, "events[1].at"),
        ({"at": "yesterday"}, "events[1].at"),
        ({"amount": "1.234"}, "events[1].amount"),
        ({"account_id": None}, "events[1].account_id"),
    ):
        reply = up.push(event(), event(**wrong))
        assert reply.status_code == 422
        assert [fault["field"] for fault in reply.json()["faults"]] == [field]
    assert up.push(event(), stream="spend").status_code == 404
    big = httpx.post(f"{up.address}/v1/features/payments/events", content=b" " * 10_000_000, timeout=30)
    assert (big.status_code, big.json()["code"]) == (413, "too-large")
    assert up.push(event(amount="1.00")).status_code == 202
    wait(lambda: up.values("spend.sum_amount_24h") == {"spend.sum_amount_24h": "5.00"})


def test_a_key_that_is_missing_or_none_is_named(up: Store) -> None:
    body = {"features": {"amount": 1.0}}
    missing = httpx.post(f"{up.address}/v1/tasks/fraud/predict", json=body, timeout=30)
    assert (missing.status_code, missing.json()["faults"][0]["field"]) == (422, "features.account_id")
    assert up.predict(account_id="x" * 600)["faults"][0]["field"] == "features.account_id"
    assert up.predict(account_id=1.5)["faults"][0]["field"] == "features.account_id"
    assert "MISSING" in " ".join(up.predict(account_id=17)["warnings"])
    assert up.predict()["warnings"] == []


def test_a_version_changes_under_load_and_no_request_sees_it(up: Store) -> None:
    stop, seen, asked = threading.Event(), set[tuple[Any, ...]](), [0]

    def load() -> None:
        while not stop.is_set():
            reply = up.predict()
            asked[0] += 1
            seen.add((reply.get("detail"), tuple(reply.get("degraded", ())), tuple(reply.get("warnings", ()))))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        up.edit('"24h")', '"24h", hop="1h")')
        said = up.do("apply")
        before = asked[0]
        wait(lambda: asked[0] > before + 50)
        refused = up.run("features", "drop", "spend", "2")
        up.do("features", "drop", "spend", "1")
        before = asked[0]
        wait(lambda: asked[0] > before + 50)
    finally:
        stop.set()
        thread.join()
    assert "it reads spend@2 now, not spend@1" in said
    assert refused.code == 1
    assert "read by the task fraud" in refused.err
    assert seen == {(None, ("no-model",), ())}


def test_a_source_that_goes_leaves_what_is_served_and_a_line_in_the_log(up: Store) -> None:
    (up.folder / "profiles.parquet").unlink()
    wait(lambda: "the view 'profile@1' cannot be filled: there are no files" in up.log("worker"))
    assert up.predict()["warnings"] == []
    write_profiles(up.folder, "silver")
    wait(lambda: up.values("profile.segment") == {"profile.segment": "silver"})
    assert "Traceback" not in up.log("worker")


def test_other_code_than_was_applied_is_told_once_and_not_per_request(up: Store) -> None:
    up.do("down")
    up.do("up", "--detach")
    up.edit('f["spend.mean_amount_30d"],', 'f["spend.mean_amount_30d"] * 2,')
    for process in up.pids()[1:]:
        os.kill(process, signal.SIGKILL)
    wait(lambda: "features-unavailable" in _degraded(up))
    for _ in range(20):
        assert "features-unavailable" in _degraded(up)
    said = "the on-demand feature 'amount_ratio' of project.py is not the one that was applied: apply it"
    assert up.log("data-plane").count(said) == 1
    up.do("apply")
    wait(lambda: _degraded(up) == ["no-model"])


def _degraded(store: Store) -> list[str]:
    try:
        found: list[str] = store.predict().get("degraded", [])
    except httpx.HTTPError:
        return []
    return found
