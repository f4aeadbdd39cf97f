"""Whatever is sent, the reply is an error of MLflow's that names the field; never a failure of ours."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tropism.entrypoints.api.mlflow import (
    artifacts,
    experiments,
    logged,
    metrics,
    registered,
    runs,
    server,
    versions,
)

_MODULES = (server, experiments, runs, metrics, artifacts, logged, registered, versions)
_CALLS = [call for module in _MODULES for call in module.CALLS]
_ODD: list[Any] = [
    None,
    "",
    "x" * 8_001,
    "a\x00b",
    -1,
    2**70,
    1.5,
    True,
    [],
    {},
    ["a"],
    [{}],
    {"a": []},
    "'",
    "..",
    "NaN",
]


@pytest.mark.parametrize("call", _CALLS, ids=lambda call: f"{call.method} {call.path}")
async def test_odd_values_are_refused_and_never_fail(client: Any, call: Any) -> None:
    fields = list(call.shape.__struct_fields__)
    bodies = [dict.fromkeys(fields, odd) for odd in _ODD] + [{}]
    bodies += [{name: odd} for name, odd in itertools.product(fields, _ODD)]
    for body in bodies:
        path = "/api/2.0/mlflow/" + call.path.replace("{model_id}", "m-1").replace("{tag_key:path}", "a")
        if call.method == "GET":
            query = [(name, str(value)) for name, value in body.items() if value is not None]
            response = await client.http.get(path, params=query)
        else:
            response = await client.http.request(call.method, path, json=body)
        assert response.status_code in (200, 400, 404), (body, response.text)
        if response.status_code != 200:
            assert set(response.json()) == {"error_code", "message"}


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"a"', b"\xff", b"null", b"[" * 100_000, b'{"a": NaN}'])
async def test_a_body_that_is_no_object_is_refused(client: Any, body: bytes) -> None:
    response = await client.http.post("/api/2.0/mlflow/runs/create", content=body)
    assert response.status_code == 400
    assert response.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("path", "sent", "field"),
    [
        ("experiments/create", {}, "name"),
        ("experiments/create", {"name": "x" * 501}, "name"),
        ("experiments/create", {"name": 5}, "name"),
        ("runs/create", {"start_time": "soon"}, "start_time"),
        ("runs/create", {"tags": [{"value": "1"}]}, "tags[0].key"),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "timestamp": 1}, "value"),
        ("runs/log-metric", {"run_id": "RUN", "key": "../a", "value": 1, "timestamp": 1}, "key"),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": "much", "timestamp": 1}, "value"),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": 1, "timestamp": -1}, "timestamp"),
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 1}, "run_id"),
        ("runs/log-parameter", {"run_id": "RUN", "key": "a", "value": "x" * 6_001}, "params: a"),
        ("runs/log-batch", {"run_id": "RUN", "metrics": [{"key": "a", "value": 1, "timestamp": 1}] * 1_001}, "metrics"),
        ("runs/log-batch", {"run_id": "RUN", "metrics": [{"key": "a"}]}, "metrics[0].value"),
        ("runs/update", {"run_id": "RUN", "status": "DONE"}, "status"),
        ("runs/search", {"filter": "metrics.a >> 3"}, "filter"),
        ("runs/search", {"order_by": ["metrics.a UP"]}, "order_by"),
        ("runs/search", {"page_token": "nix"}, "page_token"),
        ("runs/search", {"max_results": 0}, "max_results"),
        ("registered-models/create", {"name": "a/b"}, "name"),
        ("registered-models/alias", {"name": "a", "alias": "b", "version": "new"}, "version"),
    ],
)
async def test_the_field_that_is_wrong_is_named(client: Any, path: str, sent: dict[str, Any], field: str) -> None:
    run_id = await client.run()
    given = {name: run_id if value == "RUN" else value for name, value in sent.items()}
    status, body = await client.post(path, **given)
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert field in body["message"]


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("traces/search", "FEATURE_DISABLED", 501),
        ("logged-models", "INVALID_PARAMETER_VALUE", 400),
        ("runs/outputs", "INVALID_PARAMETER_VALUE", 400),
        ("logged-models/m-0/params", "RESOURCE_DOES_NOT_EXIST", 404),
        ("model-versions/transition-stage", "FEATURE_DISABLED", 501),
        ("runs/nix", "ENDPOINT_NOT_FOUND", 404),
        ("runs/get", "ENDPOINT_NOT_FOUND", 404),
    ],
)
async def test_what_is_not_here_says_so(client: Any, path: str, code: str, status: int) -> None:
    found, body = await client.post(path)
    assert (found, body["error_code"]) == (status, code)


async def test_a_batch_with_one_bad_value_stores_nothing(client: Any) -> None:
    run_id = await client.run()
    metrics = [{"key": "a", "value": 1, "timestamp": 1}]
    status, _ = await client.post("runs/log-batch", run_id=run_id, metrics=metrics, tags=[{"key": "../b"}])
    assert status == 400
    _, body = await client.get("runs/get", run_id=run_id)
    assert body["run"]["data"]["metrics"] == []


@pytest.mark.parametrize("path", ["runs/search", "logged-models/search"])
async def test_searches_that_no_database_could_answer_are_refused(client: Any, path: str) -> None:
    fields = [{"field_name": f"metrics.m{index}"} for index in range(80)]
    orders = fields if path.startswith("logged") else [one["field_name"] for one in fields]
    for sent in ({"order_by": orders}, {"experiment_ids": [str(one) for one in range(300_000)]}):
        status, body = await client.post(path, **{"experiment_ids": ["0"], **sent})
        assert status == 400
        assert next(iter(sent)) in body["message"]


@pytest.mark.parametrize("digits", [400, 5_000])
async def test_a_number_of_many_digits_is_larger_than_any_metric(client: Any, digits: int) -> None:
    run_id = await client.run()
    await client.post("runs/log-metric", run_id=run_id, key="loss", value=1e300, timestamp=1)
    for operator, found in ((">", 0), ("<", 1)):
        text = f"metrics.loss {operator} {'9' * digits}"
        status, body = await client.post("runs/search", experiment_ids=["0"], filter=text)
        assert status == 200
        assert len(body["runs"]) == found
