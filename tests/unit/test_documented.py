"""Nothing is undocumented: errors, settings, commands, routes and the fields of a task, each with its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec
import pytest

from tropism.config import Settings
from tropism.core import errors as tree
from tropism.core import plugins
from tropism.core.errors import TropismError
from tropism.core.monitoring import Monitoring, Rule
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Gate, Policy, Task, Triggers
from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.api.problems import status_of
from tropism.entrypoints.cli.main import cli
from tropism.project import load_project

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
_ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \|", re.MULTILINE)


def sections(page: str, level: int = 2) -> dict[str, str]:
    """The text under each heading of a level, by heading; text inside fences belongs to its section."""
    mark = "#" * level + " "
    found: dict[str, str] = {}
    heading, fenced = "", False
    for line in (DOCS / page).read_text().splitlines():
        fenced ^= line.startswith("```")
        if not fenced and line.startswith(mark):
            heading = line.removeprefix(mark).strip("`")
            assert heading not in found, f"{page} has two sections '{heading}'"
            found[heading] = ""
        elif heading:
            found[heading] += line + "\n"
    return found


def rows(text: str) -> dict[str, str]:
    """First and second column of a table: names and defaults."""
    return {name: default.strip("`") for name, default in _ROW.findall(text)}


def errors(base: type[TropismError] = TropismError) -> Iterator[type[TropismError]]:
    yield base
    for kind in base.__subclasses__():
        if kind.__module__ == "tropism.core.errors":
            yield from errors(kind)


def test_every_error_code_is_explained() -> None:
    explained = sections("errors.md")
    codes = {kind.code: kind for kind in errors()}
    assert set(explained) == set(codes)
    for code, text in explained.items():
        status = status_of(codes[code]("x"))
        assert text.strip().startswith(f"HTTP {status}"), f"{code} is sent with status {status}"
        assert "**What happened:**" in text and "**What to do:**" in text, code


def test_codes_are_drawn_in_the_tree() -> None:
    assert tree.__doc__ is not None
    drawn = dict(re.findall(r"[─]+ (\w+) +([a-z]+(?:-[a-z]+)+|conflict|overloaded)\b", tree.__doc__))
    leaves = {kind.__name__: kind.code for kind in errors() if not kind.__subclasses__()}
    assert drawn.items() >= leaves.items()


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def test_every_setting_is_explained_with_its_default() -> None:
    expected: dict[str, dict[str, str]] = {"project": {}}
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.default, msgspec.Struct):
            inner = msgspec.structs.fields(type(field.default))
            expected[field.name] = {one.name: _toml(getattr(field.default, one.name)) for one in inner}
        else:
            expected["project"][field.name] = _toml(field.default)
    assert {name: rows(text) for name, text in sections("settings.md").items()} == expected


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _commands(inner, f"{path} {name}")


def test_every_command_and_option_is_explained() -> None:
    commands = dict(_commands(cli, "tropism"))
    top = commands.pop("tropism")
    explained = sections("cli.md")
    assert set(explained) == set(commands)
    explained[""] = (DOCS / "cli.md").read_text().partition("\n## ")[0]
    for path, command in {**commands, "": top}.items():
        named = set(re.findall(r"`(--[a-z-]+)`", explained[path]))
        flags = {
            flag for one in command.params if isinstance(one, click.Option) for flag in (*one.opts, *one.secondary_opts)
        }
        assert {flag for flag in flags if flag.startswith("--")} - {"--help"} == named - {"--help"}, path


def test_every_route_is_explained() -> None:
    document = control_plane(cast("Any", None)).openapi()
    routes = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert set(sections("http.md", level=3)) == routes


def _python(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        return repr(field.default_factory())
    if field.default is msgspec.UNSET:
        return "not set"
    if isinstance(field.default, msgspec.Struct):
        return f"{type(field.default).__name__}()"
    return repr(field.default).replace("'", '"')


@pytest.mark.parametrize(
    "struct",
    [Task, Feature, Policy, Triggers, Gate, JournalPolicy, Monitoring, Rule],
    ids=lambda struct: struct.__name__,
)
def test_every_field_of_a_task_is_explained_with_its_default(struct: type[msgspec.Struct]) -> None:
    expected = {field.name: _python(field) for field in msgspec.structs.fields(struct)}
    assert rows(sections("tasks.md")[struct.__name__]) == expected


def test_every_learner_is_explained() -> None:
    named = set(re.findall(r"^\| `([a-z-]+)` \|", sections("tasks.md")["Learners"], re.MULTILINE))
    assert named == set(plugins.names("tropism.learners"))


def test_the_example_of_a_project_loads(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", (DOCS / "tasks.md").read_text(), re.DOTALL)
    assert example is not None
    path = tmp_path / "project.py"
    path.write_text(example[1])
    tasks = {task.name: task for task in load_project(path)}
    assert list(tasks) == ["payments", "tickets", "demand"]
    assert tasks["payments"].assumed_label == 0.0
    assert tasks["tickets"].metric_name == "brier"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_resolve(page: Path) -> None:
    broken = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        path = (page.parent / target).resolve() if target else page
        if not path.exists():
            broken.append(target)
        elif anchor and anchor not in _anchors(path):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pages_that_the_code_names_exist() -> None:
    named = {
        (path.name, page)
        for path in (ROOT / "src").rglob("*.py")
        for page in re.findall(r"(?<![\w/.])docs/[\w/-]+", path.read_text())
    }
    assert {(name, page) for name, page in named if not list(ROOT.glob(f"{page}*"))} == set()
