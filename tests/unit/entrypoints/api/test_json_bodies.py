from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from tropism.entrypoints.api.json_bodies import JsonBodies


@pytest.fixture
async def echo() -> AsyncIterator[httpx.AsyncClient]:
    """Answers with the content type that it was handed, and the body."""
    app = FastAPI()

    @app.api_route("/", methods=["GET", "POST", "DELETE"])
    async def answer(request: Request) -> dict[str, Any]:
        return {"kind": request.headers.get("content-type"), "body": (await request.body()).decode()}

    transport = httpx.ASGITransport(JsonBodies(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8700") as client:
        yield client


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain", "nonsense", ""])
async def test_whatever_a_program_calls_its_body_it_is_json(echo: httpx.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    reply = await echo.post("/", content=b'{"a": 1}', headers=headers)
    assert reply.json() == {"kind": "application/json", "body": '{"a": 1}'}


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/x+json"])
async def test_what_is_called_json_stays_as_it_is(echo: httpx.AsyncClient, kind: str) -> None:
    headers = {"content-type": kind, "origin": "https://elsewhere.example"}
    assert (await echo.post("/", content=b"{}", headers=headers)).json()["kind"] == kind


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://localhost:9999", "null", "\xff"])
async def test_a_foreign_page_must_ask_the_browser_before_it_may_change_something(
    echo: httpx.AsyncClient, kind: str | None, method: str, origin: str
) -> None:
    headers = {b"origin": origin.encode("latin-1")} | ({} if kind is None else {b"content-type": kind.encode()})
    reply = await echo.request(method, "/", content=b'{"a": 1}', headers=headers)
    assert reply.status_code == 415
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["faults"][0]["fix"] == "send the header content-type: application/json"


@pytest.mark.parametrize("host", ["host", "x-forwarded-host"])
async def test_a_page_of_our_own_is_not_foreign(echo: httpx.AsyncClient, host: str) -> None:
    headers = {"origin": "http://tropism.example", host: "tropism.example"}
    assert (await echo.post("/", headers=headers)).status_code == 200


async def test_reading_is_free_for_all(echo: httpx.AsyncClient) -> None:
    assert (await echo.get("/", headers={"origin": "https://elsewhere.example"})).json()["kind"] is None
