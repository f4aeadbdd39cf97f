"""Lineage is written where models are made: by the loop's trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.entrypoints.lineage import lineage
from tropism.loop.decide import Plan
from tropism.loop.observe import observe
from tropism.loop.train import train

if TYPE_CHECKING:
    from collections.abc import Callable


def test_every_model_leads_up_to_the_lake_and_down_to_its_predictions(world: Callable[..., Any]) -> None:
    here = world()
    here.run(300)
    assert here.champion == 1
    found = lineage(here.platform, "model", "world")
    kinds = {node.kind: node for node in found.nodes}
    version = here.platform.registry.versions.get("world", 1)
    assert kinds["training-set"].id == f"world/{version.data['sha256'][:16]}"
    assert kinds["training-set"].facts["rows"] == version.data["rows"]
    assert {node.id for node in found.nodes if node.kind == "lake"} == {"world/predictions", "world/outcomes"}
    assert kinds["predictions"].facts["total"] > 0


def test_a_step_that_is_done_again_links_nothing_more(world: Callable[..., Any]) -> None:
    here = world()
    here.live(400)
    seen = observe(here.services, here.task)
    plan = Plan(train=True, reasons=("asked",))
    first, again = (train(here.services, here.task, seen, plan, "job-1") for _ in range(2))
    assert first.version == again.version == 1
    assert len(lineage(here.platform, "model", "world", "up").edges) == 3
