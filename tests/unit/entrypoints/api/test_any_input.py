"""Whatever is sent, the answer is a problem of the caller's or a success, never a failure of ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = st.sampled_from(
    [
        "features",
        "instances",
        "demand",
        "entity",
        "unit",
        "at",
        "prediction_id",
        "outcomes",
        "outcome",
        "task",
        "id",
        "x",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([10**310, -(2**63), "price", "2023-11-14", "018bcfe5-6800-7000-8000-00000000c3d4", True, ""])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))
BODIES = st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
CUT = st.integers(min_value=0, max_value=40)


@pytest.mark.parametrize("path", ["/v1/tasks/price/predict", "/v1/outcomes"])
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=BODIES, cut=CUT)
def test_no_input_is_a_failure_of_ours(path: str, plane: Any, body: bytes, cut: int) -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
            return await client.post(path, content=body[: len(body) - cut] if cut < 10 else body)

    before = plane.recorded()
    response = asyncio.run(ask())
    assert response.status_code < 500
    assert response.is_success or plane.recorded() == before
    if not response.is_success:
        content = response.json()
        assert content["detail"]
        assert content["faults"]
        assert all(fault["field"] and fault["fix"] for fault in content["faults"])
