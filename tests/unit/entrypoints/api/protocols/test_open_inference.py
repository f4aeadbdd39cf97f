"""What users of REST meet: Triton's own client, unmodified, and curl's kind of requests, over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.protocols.base import Request
from tropism.entrypoints.api.protocols.open_inference import OpenInference

triton = pytest.importorskip("tritonclient.http")
Refused: Any = pytest.importorskip("tritonclient.utils").InferenceServerException

INFER = "/v2/models/price/infer"
ROW = {
    "inputs": [
        {"name": "demand", "shape": [1], "datatype": "FP64", "data": [30]},
        {"name": "zone", "shape": [1], "datatype": "BYTES", "data": ["north"]},
    ]
}


@pytest.fixture
def client(served: Any) -> Iterator[Any]:
    with triton.InferenceServerClient(served.http) as made:
        yield made


def tensor(name: str, array: Any, datatype: str, *, binary: bool = True) -> Any:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def row(demand: list[float], zone: list[str], *, binary: bool = True) -> list[Any]:
    zones = np.array([one.encode() for one in zone], np.object_)
    return [
        tensor("demand", np.array(demand, np.float64), "FP64", binary=binary),
        tensor("zone", zones, "BYTES", binary=binary),
    ]


async def ask(shop: Any, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
    found = OpenInference(shop.core).find(method, path)
    assert found is not None
    assert method in found.allowed
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return await found.answer(Request(method, path, b"", pairs, body))


def test_the_client_looks_around(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("price")
    assert client.is_model_ready("price", "3")
    assert not client.is_model_ready("price", "5")
    assert not client.is_model_ready("prise")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "classification"]
    found = client.get_model_metadata("price")
    assert (found["name"], found["versions"]) == ("price", ["4", "3"])
    assert [one["name"] for one in found["inputs"]] == ["demand", "zone", "holiday"]


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("returned", [True, False])
def test_a_batch_goes_and_comes_as_bytes_or_as_json(client: Any, served: Any, sent: bool, returned: bool) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=returned) for name in ("probabilities", "prediction")]
    found = client.infer("price", row([30, 10], ["north", "south"], binary=sent), outputs=outputs, request_id="42")
    assert found.as_numpy("prediction").tolist() == [True, False]
    np.testing.assert_allclose(found.as_numpy("probabilities"), [[0.4, 0.6], [0.9, 0.1]])
    content = found.get_response()
    assert (content["id"], content["model_name"], content["model_version"]) == ("42", "price", "4")
    assert [one["name"] for one in content["outputs"]] == ["probabilities", "prediction"]
    assert [event.features["demand"] for event in served.shop.recorded()] == [30.0, 10.0]


def test_every_prediction_is_recorded_under_the_id_that_is_told(client: Any, served: Any) -> None:
    found = client.infer("price", row([30, 10, 20], ["north", "south", ""]))
    told = [one.decode() for one in found.as_numpy("prediction_id")]
    events = served.shop.recorded()
    assert [event.id for event in events] == told
    assert [event.features["zone"] for event in events] == ["north", "south", None]
    assert found.as_numpy("version").tolist() == [4, 4, 4]
    assert "zone: the value is missing" in found.get_response()["parameters"]["warnings"]


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_a_matrix_for_a_task_of_several_classes(client: Any, datatype: str) -> None:
    codes = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
    matrix = np.array([[0.5, 0.25], [2, 0.75], [2, 0.25]], codes[datatype])
    found = client.infer("colour", [tensor("input", matrix, datatype)])
    assert found.as_numpy("prediction").tolist() == [b"red", b"blue", b"green"]
    np.testing.assert_array_equal(found.as_numpy("probabilities"), [[0.75, 0, 0.25], [0, 0.25, 0.75], [0, 0.75, 0.25]])


def test_classes_with_their_labels(client: Any) -> None:
    asked = [triton.InferRequestedOutput("probabilities", class_count=2)]
    found = client.infer("colour", [tensor("input", np.array([[0.5, 0.25]]), "FP64")], outputs=asked)
    assert found.as_numpy("probabilities").tolist() == [[b"0.750000:0:red", b"0.250000:2:blue"]]


def test_the_version_that_is_asked_for_answers(client: Any, served: Any) -> None:
    found = client.infer("price", row([30], ["north"]), model_version="3")
    assert found.get_response()["model_version"] == "3"
    assert found.as_numpy("probabilities").tolist() == [[0.875, 0.125]]
    assert [event.version for event in served.shop.recorded()] == [3]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_the_client_may_compress(client: Any, coding: str) -> None:
    found = client.infer("price", row([30], ["north"]), request_compression_algorithm=coding)
    assert found.as_numpy("prediction").tolist() == [True]


def test_parameters_of_other_servers_do_no_harm(client: Any) -> None:
    found = client.infer("price", row([30], ["north"]), sequence_id=7, priority=1, timeout=5, parameters={"a": "b"})
    assert found.as_numpy("prediction").tolist() == [True]


def test_many_requests_over_one_connection(client: Any, served: Any) -> None:
    waiting = [client.async_infer("price", row([number], ["south"])) for number in range(20)]
    chances = [one.get_result().as_numpy("probabilities")[0][1] for one in waiting]
    np.testing.assert_allclose(chances, np.arange(20) / 100)
    assert len(served.shop.recorded()) == 20


@pytest.mark.parametrize(
    ("model", "version", "inputs", "status", "message"),
    [
        ("prise", "", row([1], ["north"]), "404", "did you mean 'price'"),
        ("price", "9", row([1], ["north"]), "404", "use one of: 4, 3"),
        ("price", "", row([1], ["north"])[:1], "400", 'input "zone" is missing'),
        ("price", "", row([1, 2], ["north"]), "400", "differ in their numbers of rows"),
        ("price", "", [*row([1], ["north"]), *row([1], ["north"])[:1]], "400", "sent twice"),
        ("price", "", row([float("inf")], ["north"]), "400", "row 0: demand"),
        ("price", "", row([1] * 51, ["north"] * 51), "413", "max_rows"),
        ("colour", "", [tensor("x", np.zeros((2, 3)), "FP64")], "400", "[2, 3]"),
        ("colour", "", [tensor("x", np.zeros((0, 2)), "FP64")], "400", "no rows"),
    ],
)
def test_what_cannot_be_used_raises_in_the_client(
    client: Any, served: Any, model: str, version: str, inputs: list[Any], status: str, message: str
) -> None:
    with pytest.raises(Refused) as caught:
        client.infer(model, inputs, model_version=version)
    assert caught.value.status() == status
    assert message in caught.value.message()
    assert served.shop.recorded() == []


def test_what_this_server_does_not_have_is_said_in_the_protocols_form(client: Any) -> None:
    with pytest.raises(Refused, match="there is no /v2/models/price/config") as caught:
        client.get_model_config("price")
    assert caught.value.status() == "404"


def test_as_a_person_would_ask(served: Any) -> None:
    with httpx.Client(base_url=f"http://{served.http}") as http:
        assert http.get("/v2/health/live").json() == {"live": True}
        assert http.get("/v2/health/ready").json()["ready"] is True
        assert http.get("/v2/models/price/ready").json() == {"name": "price", "ready": True}
        assert http.get("/v2").json() == http.get("/v2/").json()
        assert http.head("/v2").status_code == 200
        found = http.post(INFER, json=ROW)
        assert found.headers["content-type"] == "application/json"
        assert found.json()["outputs"][0] == {"name": "prediction", "datatype": "BOOL", "shape": [1], "data": [True]}


async def test_what_stands_beside_the_features_is_recorded(shop: Any) -> None:
    made = Identifiers().new(shop.clock.now(), task_tag("price"))
    beside = [
        {"name": name, "shape": [1, 1], "datatype": "BYTES", "data": [[value]]}
        for name, value in (("entity", "card-1"), ("prediction_id", made), ("at", "2023-11-01T00:00:00Z"))
    ]
    reply = await ask(shop, "POST", INFER, json.dumps({"inputs": [*ROW["inputs"], *beside]}).encode())
    assert reply.status == 200
    (event,) = shop.recorded()
    assert (event.id, event.entity, event.at) == (made, "card-1", 1_698_796_800_000_000)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2", 405),
        ("GET", INFER, 405),
        ("DELETE", "/v2/models/price", 405),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/", 404),
        ("GET", "/v2/health", 404),
        ("POST", "/v2/repository/index", 404),
        ("GET", "/v2/models/price/versions", 404),
        ("GET", "/v2/models/price/versions//ready", 404),
        ("GET", "/v2/models/price/stats", 404),
        ("GET", "/v2/models/../price", 404),
        ("POST", "/v2/models/nothing/infer", 404),
        ("POST", INFER, 400),
    ],
)
async def test_every_path_below_v2_is_answered_in_the_protocols_form(
    shop: Any, method: str, path: str, status: int
) -> None:
    reply = await ask(shop, method, path)
    assert reply.status == status
    assert set(json.loads(reply.body)) == {"error"}
    assert dict(reply.headers)[b"content-type"] == b"application/json"


@pytest.mark.parametrize("path", ["/", "/v1/tasks/price/predict", "/v2x", "/v20/models", "v2", "/V2"])
def test_other_paths_are_not_ours(shop: Any, path: str) -> None:
    assert OpenInference(shop.core).find("GET", path) is None


async def test_before_the_first_snapshot_callers_are_told_to_come_back(shop: Any) -> None:
    shop.holder.current = None
    for method, path in (("GET", "/v2/health/ready"), ("GET", "/v2/models/price"), ("POST", INFER)):
        reply = await ask(shop, method, path, json.dumps(ROW).encode())
        assert reply.status == 503
        assert dict(reply.headers)[b"retry-after"] == b"1"
    assert (await ask(shop, "GET", "/v2/health/live")).status == 200


async def test_a_full_disk_is_said_and_nothing_acknowledged(full_shop: Any) -> None:
    reply = await ask(full_shop, "POST", INFER, json.dumps(ROW).encode())
    assert reply.status == 507
    assert set(json.loads(reply.body)) == {"error"}
    assert full_shop.recorded() == []


async def test_a_body_that_swells_is_refused(shop: Any) -> None:
    import gzip

    reply = await ask(shop, "POST", INFER, gzip.compress(bytes(1_000_000)), content_encoding="gzip")
    assert reply.status == 413
