"""What users of gRPC meet: Triton's own client, unmodified, and bare channels, over a socket."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.entrypoints.api.protocols.grpc_messages import load_messages
from tropism.entrypoints.api.protocols.grpc_service import INFERENCE

grpc = pytest.importorskip("grpc")
triton = pytest.importorskip("tritonclient.grpc")
Refused: Any = pytest.importorskip("tritonclient.utils").InferenceServerException

PB = load_messages("open_inference")
HEALTH = load_messages("health")


@pytest.fixture
def client(served: Any) -> Iterator[Any]:
    with triton.InferenceServerClient(served.grpc) as made:
        yield made


@pytest.fixture
def channel(served: Any) -> Iterator[Any]:
    with grpc.insecure_channel(served.grpc) as made:
        yield made


def tensor(name: str, array: Any, datatype: str) -> Any:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def row(demand: list[float], zone: list[str]) -> list[Any]:
    zones = np.array([one.encode() for one in zone], np.object_)
    return [tensor("demand", np.array(demand, np.float64), "FP64"), tensor("zone", zones, "BYTES")]


def call(channel: Any, method: str, message: Any, service: str = INFERENCE) -> bytes:
    """The raw answer to a message, which may be one of any kind, or bytes."""
    raw = message if isinstance(message, bytes) else message.SerializeToString()
    return bytes(channel.unary_unary(f"/{service}/{method}")(raw, timeout=30))


def test_the_client_looks_around(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("price")
    assert client.is_model_ready("price", "3")
    assert not client.is_model_ready("price", "5")
    assert not client.is_model_ready("prise")
    assert client.get_server_metadata().name == "tropism"
    found = client.get_model_metadata("price")
    assert list(found.versions) == ["4", "3"]
    assert [(one.name, one.datatype, list(one.shape)) for one in found.inputs] == [
        ("demand", "FP64", [-1]),
        ("zone", "BYTES", [-1]),
        ("holiday", "BOOL", [-1]),
    ]


def test_a_batch_with_categories(client: Any, served: Any) -> None:
    found = client.infer("price", row([30, 10], ["north", "south"]), request_id="42")
    assert found.as_numpy("prediction").tolist() == [True, False]
    np.testing.assert_allclose(found.as_numpy("probabilities"), [[0.4, 0.6], [0.9, 0.1]])
    content = found.get_response()
    assert (content.id, content.model_name, content.model_version) == ("42", "price", "4")
    assert content.parameters["variant"].string_param == "champion"
    events = served.shop.recorded()
    assert [event.features["zone"] for event in events] == ["north", "south"]
    assert [event.id.encode() for event in events] == found.as_numpy("prediction_id").tolist()


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_a_matrix_for_a_task_of_several_classes(client: Any, datatype: str) -> None:
    codes = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
    matrix = np.array([[0.5, 0.25], [2, 0.75], [2, 0.25]], codes[datatype])
    found = client.infer("colour", [tensor("input", matrix, datatype)])
    assert found.as_numpy("prediction").tolist() == [b"red", b"blue", b"green"]


def test_only_the_outputs_that_are_asked_for(client: Any) -> None:
    asked = [triton.InferRequestedOutput("probabilities", class_count=1), triton.InferRequestedOutput("version")]
    found = client.infer("colour", [tensor("input", np.array([[0.5, 0.25]]), "FP64")], outputs=asked)
    assert found.as_numpy("probabilities").tolist() == [[b"0.750000:0:red"]]
    assert [one.name for one in found.get_response().outputs] == ["probabilities", "version"]


def test_the_version_that_is_asked_for_answers(client: Any, served: Any) -> None:
    found = client.infer("price", row([30], ["north"]), model_version="3")
    assert found.as_numpy("probabilities").tolist() == [[0.875, 0.125]]
    assert [event.version for event in served.shop.recorded()] == [3]


def test_the_client_may_compress(client: Any) -> None:
    found = client.infer("price", row([30], ["north"]), compression_algorithm="gzip")
    assert found.as_numpy("prediction").tolist() == [True]


def test_typed_contents_are_answered_with_typed_contents(channel: Any) -> None:
    request = PB.ModelInferRequest(model_name="colour")
    for name, value in (("hue", 2.0), ("depth", 0.25)):
        request.inputs.add(name=name, datatype="FP32", shape=[1, 1]).contents.fp32_contents.append(value)
    found = PB.ModelInferResponse.FromString(call(channel, "ModelInfer", request))
    assert list(found.outputs[0].contents.bytes_contents) == [b"green"]
    assert list(found.outputs[1].contents.fp64_contents) == [0.0, 0.75, 0.25]


@pytest.mark.parametrize(
    ("model", "version", "inputs", "status", "message"),
    [
        ("prise", "", row([1], ["north"]), "NOT_FOUND", "did you mean 'price'"),
        ("price", "9", row([1], ["north"]), "NOT_FOUND", "use one of: 4, 3"),
        ("price", "", row([1], ["north"])[:1], "INVALID_ARGUMENT", 'input "zone" is missing'),
        ("price", "", row([1, 2], ["north"]), "INVALID_ARGUMENT", "differ in their numbers of rows"),
        ("price", "", [], "INVALID_ARGUMENT", "no inputs"),
        ("price", "", row([float("inf")] * 50, ["north"] * 50), "INVALID_ARGUMENT", "row 0: demand"),
        ("price", "", row([1] * 51, ["north"] * 51), "INVALID_ARGUMENT", "max_rows"),
        ("price", "", row([1], ["x" * 30_000]), "RESOURCE_EXHAUSTED", "larger than max"),
    ],
)
def test_what_cannot_be_used_raises_in_the_client(
    client: Any, served: Any, model: str, version: str, inputs: list[Any], status: str, message: str
) -> None:
    with pytest.raises(Refused) as caught:
        client.infer(model, inputs, model_version=version)
    assert caught.value.status() == f"StatusCode.{status}"
    assert message in caught.value.message()
    assert served.shop.recorded() == []


def test_a_stream_answers_in_order_and_outlives_errors(client: Any, served: Any) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("price", row([10], ["south"]), request_id="a")
    client.async_stream_infer("prise", row([20], ["south"]), request_id="b")
    client.async_stream_infer("price", row([30], ["south"]), request_id="c")
    first, second, third = (answers.get(timeout=30) for _ in range(3))
    client.stop_stream()
    assert (first[0].get_response().id, third[0].get_response().id) == ("a", "c")
    assert "there is no task 'prise'" in second[1].message()
    assert [event.features["demand"] for event in served.shop.recorded()] == [10.0, 30.0]


class Slow:
    """Predictions that are not answered before they are told to be."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()
        self.failed = inner.failed

    async def score(self, *arguments: Any, **named: Any) -> Any:
        import asyncio

        self.begun.release()
        assert await asyncio.to_thread(self.release.wait, 30)
        return await self.inner.score(*arguments, **named)


@pytest.fixture
def slow(shop: Any) -> Slow:
    made = Slow(shop.core.predictions)
    shop.core = shop.core._replace(predictions=made)
    return made


def test_more_calls_than_are_taken_are_told_to_come_back(slow: Slow, shop: Any, serve: Any) -> None:
    with serve(shop) as served, triton.InferenceServerClient(served.grpc) as client:
        answers: queue.Queue[Any] = queue.Queue()
        for _ in range(shop.settings.max_inflight):
            client.async_infer("price", row([30], ["north"]), lambda result, error: answers.put(error or result))
            assert slow.begun.acquire(timeout=30)
        with pytest.raises(Refused, match="too many requests at once") as caught:
            client.infer("price", row([30], ["north"]))
        assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
        assert client.is_server_live()
        slow.release.set()
        made = [answers.get(timeout=30) for _ in range(shop.settings.max_inflight)]
        assert [one.as_numpy("prediction").tolist() for one in made] == [[True]] * 3
        assert client.infer("price", row([30], ["north"])).as_numpy("version").tolist() == [4]


def test_before_the_first_snapshot_nothing_is_ready(client: Any, served: Any, channel: Any) -> None:
    served.shop.holder.current = None
    assert client.is_server_live()
    assert not client.is_server_ready()
    assert not client.is_model_ready("price")
    with pytest.raises(Refused, match="starting up") as caught:
        client.infer("price", row([30], ["north"]))
    assert caught.value.status() == "StatusCode.UNAVAILABLE"
    health = call(channel, "Check", HEALTH.HealthCheckRequest(), "grpc.health.v1.Health")
    assert health == HEALTH.HealthCheckResponse(status="NOT_SERVING").SerializeToString()


@pytest.mark.parametrize("service", ["", INFERENCE])
def test_probes_find_it_healthy(channel: Any, service: str) -> None:
    health = call(channel, "Check", HEALTH.HealthCheckRequest(service=service), "grpc.health.v1.Health")
    assert health == HEALTH.HealthCheckResponse(status="SERVING").SerializeToString()


def refusal(channel: Any, method: str, message: Any, service: str = INFERENCE) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, message, service)
    return caught.value


def test_other_services_and_methods_are_not_there(channel: Any) -> None:
    other = refusal(channel, "Check", HEALTH.HealthCheckRequest(service="x"), "grpc.health.v1.Health")
    assert other.code() == grpc.StatusCode.NOT_FOUND
    assert refusal(channel, "ModelConfig", b"").code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_full_disk_is_said_and_nothing_acknowledged(full_shop: Any, serve: Any) -> None:
    with serve(full_shop) as served, triton.InferenceServerClient(served.grpc) as client:
        with pytest.raises(Refused) as caught:
            client.infer("price", row([30], ["north"]))
        assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
    assert full_shop.recorded() == []


def test_a_failure_of_ours_tells_nothing_of_how(shop: Any, serve: Any) -> None:
    shop.core = shop.core._replace(clock=None)  # a bug
    with serve(shop) as served, triton.InferenceServerClient(served.grpc) as client:
        with pytest.raises(Refused) as caught:
            client.infer("price", row([30], ["north"]))
        assert caught.value.status() == "StatusCode.INTERNAL"
        assert "our fault" in caught.value.message()
        assert "NoneType" not in caught.value.message()


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(["ModelInfer", "ModelReady", "ModelMetadata"]), st.binary(max_size=60), st.integers(0, 59))
def test_any_bytes_are_answered_or_refused(channel: Any, method: str, raw: bytes, place: int) -> None:
    whole = PB.ModelInferRequest(model_name="colour", raw_input_contents=[bytes(16)])
    whole.inputs.add(name="x", datatype="FP64", shape=[1, 2])
    sent = whole.SerializeToString()
    for message in (raw, sent[:place] + raw[:3] + sent[place + 2 :]):
        try:
            call(channel, method, message)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), error.details()
