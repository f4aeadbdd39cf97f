from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.unit.entrypoints.api.conftest import Plane
from tests.unit.entrypoints.api.protocols.test_ofrep import FLAGS, asking, give


@pytest.fixture
def plane(tmp_path: Path) -> Plane:
    return Plane(tmp_path / "journal")


async def test_in_process_providers_poll_the_data_plane(plane: Plane) -> None:
    give(plane, *FLAGS, etag='"7"')
    async with asking(plane) as http:
        first = await http.get("/v1/flags")
        assert (first.status_code, first.headers["etag"]) == (200, '"7"')
        assert [one["flag"]["key"] for one in first.json()["flags"]] == ["beta", "split"]
        same = await http.get("/v1/flags", headers={"if-none-match": '"7"'})
        assert (same.status_code, same.content) == (304, b"")


async def test_before_the_first_snapshot_it_is_a_problem_document(plane: Plane) -> None:
    plane.holder.current = None
    async with asking(plane) as http:
        reply = await http.get("/v1/flags")
    assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")


async def test_all_else_of_flags_is_passed_on(plane: Plane) -> None:
    plane.control = lambda request: httpx.Response(418, stream=httpx.ByteStream(b""))
    async with asking(plane) as http:
        assert (await http.get("/v1/flags/beta")).status_code == 418
        assert (await http.post("/v1/flags")).status_code == 418
