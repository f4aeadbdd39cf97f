"""A step that meets a full disk or a store that is away does not end: it waits, and the workflow goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tropism.core.errors import Conflict, DiskFull, NotReady, TropismError
from tropism.loop.durable import Steps
from tropism.loop.durable.dbos import DbosWorkflows

pytestmark = pytest.mark.fault


@pytest.mark.parametrize("passing", [DiskFull("no room"), NotReady("away")], ids=["full", "away"])
def test_a_step_is_tried_again_until_what_hinders_it_has_passed(tmp_path: Path, passing: TropismError) -> None:
    tries: list[str] = []

    def cycle(steps: Steps, key: str, argument: object) -> object:
        def write() -> str:
            tries.append(key)
            if len(tries) < 3:
                raise passing
            return "written"

        return [steps.step("write", write), steps.step("more", lambda: "more")]

    workflows = DbosWorkflows({"cycle": cycle}, f"sqlite:///{tmp_path}/workflows.sqlite")
    try:
        assert workflows.run("cycle", "a", None) == ["written", "more"]
        assert tries == ["a"] * 3
    finally:
        workflows.close()


def test_a_refusal_is_a_result_and_is_not_tried_again(tmp_path: Path) -> None:
    tries: list[str] = []

    def cycle(steps: Steps, key: str, argument: object) -> object:
        def write() -> str:
            tries.append(key)
            raise Conflict("moved")

        return steps.step("write", write)

    workflows = DbosWorkflows({"cycle": cycle}, f"sqlite:///{tmp_path}/workflows.sqlite")
    try:
        with pytest.raises(Conflict):
            workflows.run("cycle", "a", None)
        assert tries == ["a"]
    finally:
        workflows.close()
