from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.api.request_faults import request_fault
from tropism.wiring import Platform


@pytest.fixture
async def control(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """A control plane over a project that has a task and nothing else."""
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "body", "fix"),
    [
        ("/v1/models/payments/promote", {}, "send it"),
        ("/v1/models/payments/promote", {"version": 1, "forse": True}, "leave it out; there is no such field"),
        ("/v1/models/payments/promote", {"version": 0}, "send at least 1"),
        ("/v1/models/payments/promote", {"version": "x"}, "send a whole number"),
        ("/v1/models/payments/promote", {"version": 1, "actor": 5}, "send text"),
        ("/v1/models/payments/promote", {"version": 1, "actor": ""}, "send text of at least 1 character"),
        ("/v1/models/payments/promote", [1], "send an object"),
        ("/v1/tasks/payments/cycles", {"train": "perhaps"}, "send true or false"),
        ("/v1/decisions?kind=nix", None, "send one of: 'promote', 'reject'"),
        ("/v1/decisions?limit=100000000", None, "send at most 10000"),
        ("/v1/jobs/01a1fd96-3cce-735a-adfe-9af284ad6ac5?wait=x", None, "send a number"),
    ],
)
async def test_what_does_not_fit_is_told_in_our_own_words(
    control: httpx.AsyncClient, path: str, body: Any, fix: str
) -> None:
    reply = await (control.get(path) if body is None else control.post(path, json=body))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
    fixes = [fault["fix"] for fault in reply.json()["faults"]]
    assert any(one.startswith(fix) for one in fixes), fixes
    assert not any("Input should" in one for one in fixes)


def test_what_has_no_words_of_ours_keeps_those_it_came_with() -> None:
    for kind in ("something_new", "greater_than_equal"):
        fault = request_fault({"type": kind, "loc": ("query", "n"), "input": "\ud800", "msg": "Odd", "ctx": {}})
        assert (fault.field, fault.value, fault.fix) == ("query.n", "\\ud800", "Odd")
