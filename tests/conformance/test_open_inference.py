"""The Open Inference Protocol over REST, held against a description of it: what conforms is answered or refused, in
the protocol's form, and never with a failure of ours."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Value
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.asgi import send_reply
from tropism.entrypoints.api.bodies import read_body
from tropism.entrypoints.api.protocols.base import Core, Request
from tropism.entrypoints.api.protocols.open_inference import OpenInference
from tropism.entrypoints.api.protocols.open_inference_description import foreign_paths
from tropism.entrypoints.api.protocols.tensors import DATATYPES
from tropism.entrypoints.api.server import bind
from tropism.learners.encoding import Encoding, EncodingFacts
from tropism.serving import Deployment, HttpSettings, ServedModel, Snapshot, SnapshotHolder
from tropism.serving.meters import Meters
from tropism.serving.parts import Parts
from tropism.serving.predictions import Predictions
from tropism.serving.recording import Recorder
from tropism.storage.journal import JournalSettings, JournalWriter

yaml = pytest.importorskip("yaml")
requests = pytest.importorskip("requests")
openapi = pytest.importorskip("schemathesis.openapi")
specs = pytest.importorskip("schemathesis.specs.openapi.checks")
checks = pytest.importorskip("schemathesis.checks")

PUBLISHED: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "open_inference_rest.yaml").read_text())
FEATURES = (Feature("size"), Feature("zone", "category", default=None), Feature("new", "boolean", default=False))
BOUNDED = settings(deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), database=None)


def naming(*names: str) -> dict[str, Any]:
    """The same protocol for callers who name one of these models, and a version that each has."""
    document = copy.deepcopy(PUBLISHED)
    document["components"]["parameters"]["name"]["schema"]["enum"] = list(names)
    document["components"]["parameters"]["version"]["schema"]["enum"] = ["2", "1"]
    return document


def knowing() -> dict[str, Any]:
    """The same protocol for callers who know the models, so that some of what they send is answered."""
    document = naming("binary", "multiclass", "regression")
    parts = document["components"]
    one = parts["schemas"]["request_input"]["properties"]
    one["name"]["enum"] = ["size"]
    one["datatype"]["enum"] = [name for name, kind in DATATYPES.items() if kind.kind in ("float", "integer")]
    one["shape"]["enum"] = [[1], [1, 1]]
    number = {"type": "integer", "minimum": 0, "maximum": 99}
    one["data"] = {"type": "array", "items": number, "minItems": 1, "maxItems": 1}
    request = parts["schemas"]["inference_request"]["properties"]
    request["inputs"] |= {"minItems": 1, "maxItems": 1}
    request["outputs"]["maxItems"] = 1
    parts["schemas"]["request_output"]["properties"]["name"]["enum"] = ["prediction", "prediction_id", "version"]
    return document


class Even:
    """Finds everything equally likely."""

    encoding = Encoding(EncodingFacts("codes", ()))

    def __init__(self, width: int) -> None:
        self.width = width

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Any = None) -> Any:
        return np.full((len(rows), self.width), 1 / self.width)


def snapshot() -> Snapshot:
    """A task of each kind, each with two versions of its model."""
    tasks = [
        Task(name="binary", kind="binary", target="y", features=FEATURES),
        Task(name="multiclass", kind="multiclass", target="y", features=FEATURES, classes=("a", "b", "c")),
        Task(name="regression", kind="regression", target="y", features=FEATURES),
    ]
    models = [Even(max(len(task.classes), 1)) for task in tasks]
    pairs = zip(tasks, models, strict=True)
    return Snapshot(1, {task.name: Deployment(task, ServedModel(2, one), ServedModel(1, one)) for task, one in pairs})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the protocol is served, over a real journal."""
    journal = JournalWriter(tmp_path_factory.mktemp("journal"), JournalSettings(fsync="os", reserve=0))
    limits, clock = HttpSettings(), ManualClock(1_700_000_000 * SECOND)
    holder = SnapshotHolder(snapshot())
    parts = Parts(holder, Recorder(journal, Meters()), clock, Identifiers(), limits, Meters())
    protocol = OpenInference(Core(Predictions(parts), holder, limits, clock))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(scope, receive, limits.max_body_bytes, 10.0)
        found = protocol.find(scope["method"], scope["path"])
        assert body is not None
        assert found is not None
        request = Request(scope["method"], scope["path"], b"", scope["headers"], body)
        await send_reply(send, await found.answer(request))

    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", ws="none", log_config=None, lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    journal.close()


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with requests.Session() as made:
        yield made


def conforms(case: Any, address: str, session: Any) -> int:
    """Sends a request, and holds the reply against the description; its status."""
    held = [checks.not_a_server_error, specs.content_type_conformance, specs.response_schema_conformance]
    response = case.call_and_validate(base_url=address, session=session, checks=held, timeout=30)
    return int(response.status_code)


def asked(document: dict[str, Any], path: str, address: str, session: Any) -> set[int]:
    """The statuses of replies to generated requests of a path."""
    infers = path.endswith("infer")
    operation = openapi.from_dict(document)[path]["POST" if infers else "GET"]
    statuses = set()

    @seed(7)
    @settings(BOUNDED, max_examples=30 if infers else 5)
    @given(operation.as_strategy())
    def holds(case: Any) -> None:
        statuses.add(conforms(case, address, session))

    holds()
    return statuses


@pytest.mark.parametrize("path", PUBLISHED["paths"])
def test_every_path_answers_in_its_form(path: str, address: str, session: Any) -> None:
    assert asked(PUBLISHED, path, address, session) == ({404} if "MODEL" in path else {200})


@pytest.mark.parametrize("path", [path for path in PUBLISHED["paths"] if path.endswith("infer")])
def test_whatever_is_sent_to_a_model_is_answered_or_refused(path: str, address: str, session: Any) -> None:
    assert 400 in asked(naming("binary"), path, address, session) <= {200, 400}


@pytest.mark.parametrize("path", [path for path in PUBLISHED["paths"] if "MODEL" in path])
def test_callers_who_know_the_models_are_answered(path: str, address: str, session: Any) -> None:
    statuses = asked(knowing(), path, address, session)
    assert 200 in statuses
    assert statuses <= ({200, 400} if path.endswith("infer") else {200})


VALID: list[Any] = [
    {"inputs": [{"name": "size", "shape": [2, 1], "datatype": "FP32", "data": [[1.5], [2]]}], "id": "7"},
    {
        "inputs": [
            {"name": "size", "shape": [1], "datatype": "INT64", "data": [1], "parameters": {"x": 1}},
            {"name": "zone", "shape": [1], "datatype": "BYTES", "data": ["north"]},
            {"name": "new", "shape": [1], "datatype": "BOOL", "data": [True]},
        ],
        "outputs": [{"name": "prediction", "parameters": {"binary_data": False}}, {"name": "version"}],
        "parameters": {"priority": 1},
    },
]


@pytest.mark.parametrize("model", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("version", ["", "/versions/2", "/versions/1"])
@pytest.mark.parametrize("body", VALID)
def test_what_is_answered_conforms(model: str, version: str, body: Any, address: str, session: Any) -> None:
    path = f"/v2/models/{{MODEL_NAME}}{'/versions/{MODEL_VERSION}' if version else ''}/infer"
    operation = openapi.from_dict(PUBLISHED)[path]["POST"]
    named = {"MODEL_NAME": model} | ({"MODEL_VERSION": version[-1]} if version else {})
    case = operation.Case(path_parameters=named, body=body, media_type="application/json")
    assert conforms(case, address, session) == 200


def test_the_description_would_notice_a_reply_that_does_not_conform(address: str, session: Any) -> None:
    document = copy.deepcopy(PUBLISHED)
    document["components"]["schemas"]["server_metadata"]["required"].append("licence")
    case = openapi.from_dict(document)["/v2"]["GET"].Case()
    with pytest.raises(BaseExceptionGroup, match="is a required property"):
        conforms(case, address, session)


def test_our_own_document_has_the_paths_of_the_protocol() -> None:
    own = {path for path in foreign_paths() if path.startswith("/v2")}
    published = {path.replace("MODEL_NAME", "name").replace("MODEL_VERSION", "version") for path in PUBLISHED["paths"]}
    assert own == published - {"/v2/"}
