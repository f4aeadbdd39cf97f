from __future__ import annotations

from pathlib import Path

import pytest

from tropism.core.errors import ProjectInvalid
from tropism.core.flag import Flag, FlagRule
from tropism.project import load_flags

HEAD = """\
from tropism import Feature, Flag, FlagEnvironment, FlagRule, Prerequisite, Task
payments = Task(name="payments", kind="binary", target="y", features=(Feature("a"),))
"""


def written(folder: Path, *lines: str) -> Path:
    """A file with these lines, of which the first is line 3."""
    path = folder / "project.py"
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return path


def test_flags_are_found_alone_and_in_lists(tmp_path: Path) -> None:
    rules = 'rules=[FlagRule(when="a == 1", serve="on", start="1970-01-02")]'
    path = written(tmp_path, f'one = Flag(key="one", {rules})', 'flags = [one, Flag(key="two", default="on")]')
    one, two = load_flags(path)
    assert one.rules == (FlagRule(when="a == 1", serve="on", start=86_400_000_000),)
    assert two == Flag(key="two", default="on")
    assert load_flags(written(tmp_path)) == ()


@pytest.mark.parametrize(
    ("lines", "field", "fix"),
    [
        (('Flag(key="a", rols=())',), "project.py:3", "did you mean 'rules'?"),
        (("Flag()",), "project.py:3", "add key=..."),
        (('flags = [Flag(key="a"),', 'Flag(key="a")]'), "project.py:3, 4", "give each its own name"),
        (('a = Flag(key="a", rules=[', 'FlagRule(serve="on", start="soon")])'), "project.py:4 rules[0].from", "ISO"),
        (("a = Flag(", 'key="a",', 'enabled="yes")'), "project.py:5 enabled", "use true or false"),
        (('a = Flag(key="a",', 'variants={"on": object()})'), "project.py:4 variants", "JSON"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, lines: tuple[str, ...], field: str, fix: str) -> None:
    with pytest.raises(ProjectInvalid) as refused:
        load_flags(written(tmp_path, *lines))
    (fault,) = refused.value.faults
    assert fault.field == field
    assert fix in f"{fault.fix} {refused.value}"
