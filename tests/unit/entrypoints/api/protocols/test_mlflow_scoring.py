"""Requests that MLflow's own scoring server answered, and what we answer to them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Prediction, Value, decode
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.protocols.base import Core, Request
from tropism.entrypoints.api.protocols.mlflow_scoring import PROTOCOL, MlflowScoring
from tropism.learners.encoding import Encoding, EncodingFacts
from tropism.serving import Deployment, HttpSettings, ServedModel, Snapshot, SnapshotHolder
from tropism.serving.meters import Meters
from tropism.serving.parts import Parts
from tropism.serving.predictions import Predictions
from tropism.serving.recording import Recorder
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter

RECORDED = json.loads((Path(__file__).parent / "mlflow_pairs.json").read_text())
PAIRS = {pair["name"]: pair for pair in RECORDED["pairs"]}
FEATURES = (Feature("amount"), Feature("hour"), Feature("country", "category"), Feature("new", "boolean"))


class Arithmetic:
    """What the recorded models compute: twice the amount, and something for each other feature."""

    encoding = Encoding(EncodingFacts("codes", ()))

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Any = None) -> Any:
        return np.array([self._score(row) for row in rows], float)

    def _score(self, row: Mapping[str, Any]) -> Sequence[float]:
        total = 2 * (row["amount"] or 0.0) + (row.get("hour") or 0.0)
        total += 10 * (row.get("country") == "NL") + 100 * bool(row.get("new"))
        if self.kind == "binary":
            return (float(total >= 50),)
        if self.kind == "multiclass":
            return (float(total < 20), float(20 <= total < 110), float(total >= 110))
        return (total,)


TASKS = {
    "regression": Task(name="regression", kind="regression", target="y", features=FEATURES),
    "binary": Task(name="binary", kind="binary", target="y", features=FEATURES),
    "multiclass": Task(
        name="multiclass", kind="multiclass", target="y", features=FEATURES, classes=("low", "middle", "high")
    ),
    "single": Task(name="single", kind="regression", target="y", features=(Feature("amount"),)),
    "careful": Task(
        name="careful",
        kind="regression",
        target="y",
        features=(Feature("amount", nullable=False), Feature("country", "category", default="DE")),
    ),
}


class Server:
    """The protocol over a real journal, asked without a socket."""

    def __init__(self, root: Path, reserve: int = 0) -> None:
        self.root = root
        clock = ManualClock(1_700_000_000 * SECOND)
        settings = HttpSettings(max_rows=20)
        self.journal = JournalWriter(root, JournalSettings(fsync="os", reserve=reserve))
        self.holder = SnapshotHolder()
        self.deploy(*TASKS)
        meters = Meters()
        parts = Parts(self.holder, Recorder(self.journal, meters), clock, Identifiers(), settings, meters)
        self.protocol = MlflowScoring(Core(Predictions(parts), self.holder, settings, clock))

    def deploy(self, *names: str, degraded: tuple[str, ...] = ()) -> None:
        live = {
            name: Deployment(TASKS[name], ServedModel(4, Arithmetic(TASKS[name].kind)), degraded=degraded)
            for name in names
        }
        self.holder.current = Snapshot(9, live)

    async def ask(
        self,
        path: str,
        body: bytes | str | dict[str, Any] = b"",
        kind: str | None = "application/json",
        method: str = "POST",
        query: str = "",
        **headers: str,
    ) -> Reply:
        found = self.protocol.find(method, path)
        assert found is not None
        assert method in found.allowed
        content = json.dumps(body) if isinstance(body, dict) else body
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if kind is not None:
            sent.append((b"content-type", kind.encode()))
        raw = content.encode() if isinstance(content, str) else content
        return await found.answer(Request(method, path, query.encode(), sent, raw))

    def recorded(self) -> list[Prediction]:
        events = [event for record in JournalReader(self.root).read({}) for event in decode(record.payload)]
        return [event for event in events if isinstance(event, Prediction)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "journal")
    yield made
    made.journal.close()


def body_of(pair: dict[str, Any]) -> bytes:
    if "body_base64" in pair:
        return base64.b64decode(pair["body_base64"])
    if "body_repeat" in pair:
        text, times = pair["body_repeat"]
        return bytes(text.encode() * times)
    return bytes(pair["body"].encode())


async def reply_to(server: Server, pair: dict[str, Any]) -> Reply:
    path = pair["path"]
    if path == "/invocations":
        path = f"/tasks/{pair['task']}/invocations"
    return await server.ask(path, body_of(pair), pair["content_type"], pair["method"])


@pytest.mark.parametrize("name", [name for name, pair in PAIRS.items() if "ours" not in pair])
async def test_a_recorded_request_is_answered_as_mlflow_answered(server: Server, name: str) -> None:
    pair = PAIRS[name]
    reply = await reply_to(server, pair)
    assert reply.status == pair["status"], reply.body
    assert dict(reply.headers)[b"content-type"].decode() == pair["reply_type"]
    if reply.status != 400:
        assert reply.body.decode() == pair["reply"]
        return
    ours, theirs = json.loads(reply.body), json.loads(pair["reply"])
    assert list(ours) == list(theirs)
    assert ours["message"]
    assert {**ours, "message": ""} == {**theirs, "message": ""}
    assert not server.recorded()


@pytest.mark.parametrize("name", [name for name, pair in PAIRS.items() if "ours" in pair])
async def test_where_we_differ_it_is_as_we_say(server: Server, name: str) -> None:
    ours = PAIRS[name]["ours"]
    reply = await reply_to(server, PAIRS[name])
    assert reply.status == ours["status"], reply.body
    assert ours["why"]
    assert reply.status < 500
    if reply.status == 200:
        assert reply.body.decode() == ours["reply"]
    elif reply.status == 400:
        assert list(json.loads(reply.body)) == ["error_code", "message", "sqlstate", "error_class"]


def test_the_fixture_was_recorded_from_the_major_version_that_we_tell() -> None:
    assert RECORDED["versions"]["mlflow"].partition(".")[0] == PROTOCOL.partition(".")[0]
    assert len(PAIRS) == len(RECORDED["pairs"]) > 150


COLUMNS = {"amount": [1.5, 20.25], "hour": [2, 3], "country": ["NL", "DE"], "new": [True, False]}
ANSWER = b'{"predictions": [115.0, 43.5]}'


def error_of(reply: Reply, status: int, code: str) -> str:
    content = json.loads(reply.body)
    assert (reply.status, content["error_code"]) == (status, code)
    assert "Traceback" not in content["message"]
    return str(content["message"])


async def test_the_only_task_need_not_be_named(server: Server) -> None:
    server.deploy("regression")
    assert (await server.ask("/invocations", {"inputs": COLUMNS})).body == ANSWER


@pytest.mark.parametrize("path", ["/tasks/regression/invocations", "/models/regression/invocations"])
async def test_a_path_may_name_the_task(server: Server, path: str) -> None:
    assert (await server.ask(path, {"inputs": COLUMNS})).body == ANSWER


async def test_the_query_or_a_header_may_name_the_task(server: Server) -> None:
    asked = {"inputs": COLUMNS}
    assert (await server.ask("/invocations", asked, query="task=regression")).body == ANSWER
    assert (await server.ask("/invocations", asked, tropism_task="regression")).body == ANSWER
    both = await server.ask("/tasks/regression/invocations", asked, query="task=none")
    assert both.body == ANSWER, "the path says it most clearly"


async def test_a_task_that_is_not_said_is_asked_for(server: Server) -> None:
    message = error_of(await server.ask("/invocations", {"inputs": COLUMNS}), 400, "BAD_REQUEST")
    assert "binary, careful, multiclass, regression, single" in message
    assert "/tasks/{task}/invocations" in message
    server.deploy()
    assert "project.py" in error_of(await server.ask("/invocations", {"inputs": COLUMNS}), 400, "BAD_REQUEST")


async def test_an_unknown_task_is_not_found(server: Server) -> None:
    reply = await server.ask("/tasks/regresion/invocations", {"inputs": COLUMNS})
    assert "did you mean 'regression'?" in error_of(reply, 404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("path", ["/v1/models", "/tasks/a/b/invocations", "/tasks//invocations", "/pings", "/x"])
def test_other_paths_are_not_taken(server: Server, path: str) -> None:
    assert server.protocol.find("POST", path) is None


async def test_every_prediction_is_recorded(server: Server) -> None:
    await server.ask("/tasks/regression/invocations", {"inputs": COLUMNS})
    first, second = server.recorded()
    assert (first.scores, first.version, first.features["country"]) == ((115.0,), 4, "NL")
    assert second.scores == (43.5,)


async def test_a_caller_may_ask_for_the_ids_that_outcomes_need(server: Server) -> None:
    reply = await server.ask("/tasks/regression/invocations", {"inputs": COLUMNS}, query="ids=true")
    assert json.loads(reply.body)["prediction_ids"] == [event.id for event in server.recorded()]


async def test_params_may_say_what_and_whom_it_is_for(server: Server) -> None:
    params = {"entity": ["a", None], "unit": "u", "temperature": 1}
    reply = await server.ask("/tasks/regression/invocations", {"inputs": COLUMNS, "params": params})
    assert reply.body == ANSWER
    assert [(event.entity, event.unit) for event in server.recorded()] == [("a", "u"), (None, "u")]


@pytest.mark.parametrize("params", [{"entity": ["a"]}, {"entity": [1, 2]}, {"unit": ""}, {"unit": {"a": 1}}])
async def test_params_that_cannot_be_used_are_refused(server: Server, params: Any) -> None:
    reply = await server.ask("/tasks/regression/invocations", {"inputs": COLUMNS, "params": params})
    assert next(iter(params)) in error_of(reply, 400, "INVALID_PARAMETER_VALUE")
    assert not server.recorded()


async def test_the_reply_says_which_version_answered_and_why_not_the_champion(server: Server) -> None:
    server.deploy("regression", degraded=("champion-missing",))
    headers = dict((await server.ask("/invocations", {"inputs": COLUMNS})).headers)
    assert headers[b"tropism-version"] == b"4"
    assert headers[b"tropism-degraded"] == b"champion-missing"


async def test_a_column_with_a_default_may_be_left_out(server: Server) -> None:
    reply = await server.ask("/tasks/careful/invocations", {"inputs": {"amount": [1]}})
    assert reply.body == b'{"predictions": [2.0]}'
    assert server.recorded()[0].features["country"] == "DE"


async def test_a_feature_that_may_not_be_missing_is_named(server: Server) -> None:
    reply = await server.ask("/tasks/careful/invocations", '{"inputs": {"amount": [1, NaN]}}')
    assert "rows[1].amount" in error_of(reply, 400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps({"inputs": [{"amount": 1}] * 21}), "application/json"),
        (json.dumps({"instances": [{"amount": 1}] * 21}), "application/json"),
        (json.dumps({"inputs": {"amount": [1] * 21}}), "application/json"),
        (json.dumps({"dataframe_split": {"columns": ["amount"], "data": [[1]] * 21}}), "application/json"),
        (json.dumps({"dataframe_records": [{"amount": 1}] * 21}), "application/json"),
        ("amount\n" + "1\n" * 21, "text/csv"),
    ],
)
async def test_too_many_rows_are_refused(server: Server, body: str, kind: str) -> None:
    message = error_of(await server.ask("/tasks/single/invocations", body, kind), 400, "BAD_REQUEST")
    assert "at most 20" in message


async def test_before_the_models_are_loaded_it_is_not_healthy(server: Server) -> None:
    server.holder.current = None
    assert (await server.ask("/ping", method="GET")).status == 404
    reply = await server.ask("/invocations", {"inputs": COLUMNS})
    error_of(reply, 503, "TEMPORARILY_UNAVAILABLE")
    assert dict(reply.headers)[b"retry-after"] == b"1"


async def test_what_cannot_be_recorded_is_not_answered(tmp_path: Path) -> None:
    full = Server(tmp_path / "full", reserve=2**60)
    error_of(await full.ask("/tasks/single/invocations", {"inputs": [1]}), 503, "TEMPORARILY_UNAVAILABLE")
    assert not full.recorded()
    full.journal.close()


NAMES = st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records", "columns", "data", "index"])
KEYS = NAMES | st.sampled_from(["params", "entity", "amount", "hour", "country", "new", "x"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, "1", "NL"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
FORMS = st.dictionaries(KEYS, VALUES, max_size=3) | st.builds(lambda name, value: {name: value}, NAMES, VALUES)
KINDS = st.sampled_from(
    ["application/json", "text/csv", "application/vnd.apache.parquet", "", "a;b", "text/csv;charset="]
)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=80) | FORMS.map(lambda value: json.dumps(value).encode()), kind=KINDS)
def test_no_input_is_a_failure_of_ours(server: Server, body: bytes, kind: str) -> None:
    before = len(server.recorded())
    reply = asyncio.run(server.ask("/tasks/regression/invocations", body, kind))
    assert reply.status in (200, 400, 415)
    assert reply.status == 200 or len(server.recorded()) == before
