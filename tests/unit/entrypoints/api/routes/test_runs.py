from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.tracking import start_run

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.wiring import Platform


@pytest.fixture
def ids(project: Path) -> list[str]:
    made = []
    for number in range(2):
        with start_run("fraud", f"r{number}", project=project) as run:
            run.log_params({"trees": number})
            for step in range(2):
                run.log_metrics({"loss": 0.5 - number / 10 - step / 100}, step=step)
        made.append(run.id)
    return made


async def test_runs_are_listed_shown_and_compared_over_http(platform: Platform, ids: list[str]) -> None:
    transport = httpx.ASGITransport(control_plane(platform))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        listed = (await client.get("/v1/runs", params={"experiment": "fraud"})).json()
        assert [one["name"] for one in listed] == ["r1", "r0"]
        assert (await client.get("/v1/runs", params={"task": "payments"})).json() == []
        shown = (await client.get(f"/v1/runs/{ids[0][:8]}")).json()
        assert shown["curves"] == [{"metric": "loss", "points": [[0, 0.5], [1, 0.49]]}]
        found = (await client.get("/v1/runs/compare", params={"ids": ",".join(ids)})).json()
        assert found["recommendation"]["run"] == ids[1] and not found["recommendation"]["shown"]
        assert found["params"] == {"trees": ["0", "1"]}
        for path, status in (
            ("/v1/runs/none", 404),
            ("/v1/runs?experiment=fruad", 404),
            ("/v1/runs?task=x", 404),
            ("/v1/runs/compare?ids=r0", 422),
            (f"/v1/runs/compare?ids={','.join(ids)}&metric=los", 422),
        ):
            reply = await client.get(path)
            assert reply.status_code == status, path
            assert reply.json()["faults"][0]["fix"], path
