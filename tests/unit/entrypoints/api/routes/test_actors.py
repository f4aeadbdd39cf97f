"""Who does something is named in characters that can be seen, whichever route is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tropism.entrypoints.api.control_plane import control_plane
from tropism.wiring import Platform


async def test_an_actor_that_nobody_can_see_is_refused(platform: Platform, register: Callable[..., int]) -> None:
    register(1)
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    policy: dict[str, Any] = {"levels": [{"name": "staging", "gates": [{"gate": "integration"}]}]}
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism/v1") as control:
        early = await control.post("/models/payments/promote", json={"version": 1, "actor": "a\x00"})
        put = await control.put("/models/payments/levels", json={"policy": policy, "actor": "ann"})
        assert put.status_code == 200
        replies = [
            early,
            await control.put("/flags/beta?actor=%00", json={"key": "beta"}),
            await control.put(
                "/models/payments/levels", json={"policy": policy | {"reviews": "1d"}, "actor": "\u200b"}
            ),
            await control.post("/models/payments/versions/1/gates?level=staging&actor=%00"),
            await control.post("/tasks/payments/cycles", json={"actor": " "}),
        ]
        for reply in replies:
            assert reply.status_code == 422, reply.text
            assert reply.json()["faults"][0]["field"] == "actor"
        assert (await control.get("/flags/beta")).status_code == 404
        assert platform.registry.aliases.get("payments", "champion") is None
