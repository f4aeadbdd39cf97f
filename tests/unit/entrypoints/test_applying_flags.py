"""What `tropism apply` does with the flags of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tropism.config import load_settings
from tropism.core.errors import ProjectInvalid
from tropism.core.flag import Flag
from tropism.wiring import Platform, apply_project


@pytest.fixture
def apply(project: Path, platform: Platform) -> Callable[[str], dict[str, str]]:
    """Applies the project with more lines in its file: what that did to flags."""
    path = project / "project.py"
    text = path.read_text()

    def applied(lines: str) -> dict[str, str]:
        path.write_text(f"{text}\nfrom tropism import Flag, FlagRule, Prerequisite\n{lines}\n")
        found = apply_project(load_settings(project, environment={}))
        return {one.name: one.status for one in found if one.name.startswith("flag ")}

    return applied


def test_apply_stores_flags_and_the_same_again_changes_nothing(
    apply: Callable[[str], dict[str, str]], platform: Platform
) -> None:
    platform.registry.flags.put(Flag(key="elsewhere"), actor="ann", now=1)
    needy = 'a = Flag(key="a", prerequisites=(Prerequisite(flag="z", variant="on"),))\nz = Flag(key="z")'
    assert apply(needy) == {"flag a": "created", "flag z": "created"}
    moved = platform.registry.aliases.generation()
    assert apply(needy) == {"flag a": "unchanged", "flag z": "unchanged"}
    assert platform.registry.aliases.generation() == moved
    assert apply('z = Flag(key="z", description="new")') == {"flag z": "changed"}
    assert [one.flag.key for one in platform.registry.flags.all()] == ["a", "elsewhere", "z"]
    assert [one.actor for one in platform.registry.flags.history("z")] == ["project", "project"]


def test_apply_does_not_end_a_kill(apply: Callable[[str], dict[str, str]], platform: Platform) -> None:
    flag = 'a = Flag(key="a", rules=(FlagRule(serve="on"),))'
    apply(flag)
    platform.registry.flags.kill("a", True, actor="ann", now=2)
    assert "stays killed" in apply(flag)["flag a"]
    platform.registry.flags.kill("a", False, actor="ann", now=3)
    platform.registry.flags.toggle("a", False, actor="ann", now=3)
    assert "tropism flags toggle a on" in apply(flag)["flag a"]


def test_a_flag_that_makes_no_sense_stores_nothing(apply: Callable[[str], dict[str, str]], platform: Platform) -> None:
    wrong = 'a = Flag(key="a")\nb = Flag(key="b",\n  prerequisites=(Prerequisite(flag="c", variant="on"),))'
    with pytest.raises(ProjectInvalid, match=r"project.py:\d+ prerequisites\[0\].flag"):
        apply(wrong)
    assert platform.registry.flags.all() == ()
