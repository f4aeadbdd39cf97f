"""What is counted of requests for a task, by whatever protocol they come."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

ROW = b'{"features": {"demand": 1.5}}'
TENSOR = b'{"inputs": [{"name": "demand", "datatype": "FP64", "shape": [1], "data": [1.5]}]}'
JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}

Serving = Callable[..., AbstractAsyncContextManager[Any]]
WAYS: list[tuple[str, bytes, dict[str, str]]] = [
    ("/v1/tasks/price/predict", ROW, JSON),
    ("/v1/tasks/price/predict", b"demand\n1.5\n", CSV),
    ("/v1/models/price:predict", b'{"instances": [{"demand": 1.5}]}', JSON),
    ("/v2/models/price/infer", TENSOR, JSON),
    ("/tasks/price/invocations", b'{"dataframe_records": [{"demand": 1.5}]}', JSON),
]


async def metrics(http: httpx.AsyncClient) -> list[str]:
    return (await http.get("/metrics")).text.splitlines()


@pytest.mark.parametrize(("path", "body", "headers"), WAYS)
async def test_latency_is_counted_by_any_protocol(http: Any, path: str, body: bytes, headers: dict[str, str]) -> None:
    assert (await http.post(path, content=body, headers=headers)).status_code == 200
    lines = await metrics(http)
    assert 'ml_prediction_latency_seconds_count{model="price"} 1' in lines
    assert not [line for line in lines if line.startswith("ml_prediction_errors_total{")]


@pytest.mark.parametrize(("path", "body", "headers"), WAYS)
async def test_what_the_caller_did_wrong_is_counted_of_the_task(
    http: Any, path: str, body: bytes, headers: dict[str, str]
) -> None:
    reply = await http.post(path, content=b"\xff{", headers=headers)
    assert 400 <= reply.status_code < 500
    (line,) = [line for line in await metrics(http) if line.startswith("ml_prediction_errors_total{")]
    assert 'model="price"' in line
    assert f'status="{reply.status_code}"}} 1' in line


@pytest.mark.parametrize(("path", "body", "headers"), WAYS)
async def test_what_we_did_wrong_is_counted_of_the_task(
    full_plane: Any, path: str, body: bytes, headers: dict[str, str]
) -> None:
    transport = httpx.ASGITransport(full_plane.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as http:
        reply = await http.post(path, content=body, headers=headers)
        assert reply.status_code >= 500
        lines = await metrics(http)
    assert f'ml_prediction_errors_total{{model="price",code="disk-full",status="{reply.status_code}"}} 1' in lines
    assert 'tropism_errors_total{code="disk-full"} 1' in lines
    assert 'ml_prediction_latency_seconds_count{model="price"} 1' not in lines


@pytest.mark.parametrize(
    "path", ["/v1/tasks/x/predict", "/v1/models/x:predict", "/v2/models/x/infer", "/tasks/x/invocations"]
)
async def test_a_name_that_a_caller_made_up_is_no_label(http: Any, path: str) -> None:
    assert (await http.post(path, content=ROW, headers=JSON)).status_code == 404
    assert "model=" not in "".join(await metrics(http))


async def test_a_failure_on_the_short_way_is_counted_of_the_task(
    full_plane: Any, served: Serving, swift: type[Any]
) -> None:
    full_plane.serve(swift())
    head = f"POST /v1/tasks/price/predict HTTP/1.1\r\nhost: here\r\ncontent-length: {len(ROW)}\r\n\r\n"
    async with served(full_plane) as made:
        caller = await made.caller()
        caller.send(head.encode() + ROW)
        status, _, body = await caller.reply()
        assert (status, body["code"]) == (507, "disk-full")
        assert made.app.meters.failures.values == {("price", "disk-full", "507"): 1}
        assert made.app.meters.errors.values == {("disk-full",): 1}
