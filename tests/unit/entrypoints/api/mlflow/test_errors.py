"""Errors under MLflow's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, PolicyRefused
from tropism.core.task import Feature, Task
from tropism.registry import Registry
from tropism.registry.tracking.model_aliases import ModelAliases, NoPromotion

if TYPE_CHECKING:
    from tropism.registry.tracking import Tracking


class _No(NoPromotion):
    def promote(self, task: str, version: int, actor: str) -> None:
        raise PolicyRefused(f"{task}/{version} lost its comparison", Fault("version", str(version), "train another"))


async def test_what_a_policy_refuses_is_permission_denied_with_its_reason(client: Any, tracking: Tracking) -> None:
    task = Task(name="price", kind="binary", target="up", features=(Feature("demand"),))
    Registry(tracking.db, tracking.blobs).tasks.apply(task, 1)  # type: ignore[arg-type]
    tracking.aliases = ModelAliases(tracking.db, tracking.files, _No())
    tracking.models.create("price", 1)
    tracking.versions.create("price", "mlflow-artifacts:/0/r/artifacts/m", 1)
    tracking.versions.imported("price", 1, 7, 1)
    status, body = await client.post("registered-models/alias", name="price", alias="champion", version="1")
    assert (status, body["error_code"]) == (403, "PERMISSION_DENIED")
    assert "price/7 lost its comparison" in body["message"]
    assert (await client.get("registered-models/alias", name="price", alias="champion"))[0] == 404


async def test_a_number_that_json_lacks_is_a_text(client: Any) -> None:
    run_id = await client.run()
    for key, value in (("a", "NaN"), ("b", "-Infinity")):
        await client.post("runs/log-metric", run_id=run_id, key=key, value=value, timestamp="5", step="2")
    _, body = await client.get("runs/get", run_id=run_id)
    assert [one["value"] for one in body["run"]["data"]["metrics"]] == ["NaN", "-Infinity"]
    assert body["run"]["data"]["metrics"][0]["timestamp"] == 5


async def test_a_server_says_what_it_speaks(client: Any) -> None:
    assert (await client.http.get("/version")).text == "3.0.0"
    assert (await client.http.get("/health")).text == "OK"
    info = (await client.http.get("/api/3.0/mlflow/server-info")).json()
    assert info["multipart_uploads_enabled"] is False
