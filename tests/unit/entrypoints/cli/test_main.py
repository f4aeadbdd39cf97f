from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tropism import __version__
from tropism.entrypoints.cli.main import cli

Command = Callable[..., Any]
MEANT_FOR_A_PROJECT = [
    ("alerts",),
    ("apply",),
    ("decisions",),
    ("decisions", "show", "1"),
    ("doctor",),
    ("down",),
    ("health", "payments"),
    ("history", "payments"),
    ("models",),
    ("models", "payments"),
    ("monitor",),
    ("promote", "payments", 1),
    ("release", "payments", 1, "--reason", "x"),
    ("rollback", "payments"),
    ("status",),
    ("train", "payments"),
    ("up",),
    ("up", "--detach"),
]


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from commands(inner, (*path, name))


ALL = dict(commands(cli))


def test_help_shows_the_first_steps(tropism: Command) -> None:
    said = tropism("--help")
    assert said.code == 0
    for words in ("tropism demo", "tropism init my-project", "tropism -C my-project up", *cli.commands):
        assert words in said.out


def test_no_arguments_is_a_call_for_help(tropism: Command) -> None:
    said = tropism()
    assert said.code == 2
    assert "First steps" in said.out + said.err


def test_the_version(tropism: Command) -> None:
    assert tropism("--version").out == f"tropism, version {__version__}\n"


@pytest.mark.parametrize("path", [path for path in ALL if path], ids=" ".join)
def test_help_of_every_command_teaches(tropism: Command, path: tuple[str, ...]) -> None:
    said = tropism(*path, "-h")
    assert said.code == 0
    assert max(len(line) for line in said.out.splitlines()) <= 100
    usage, _, rest = said.out.partition("\n")
    assert usage.startswith(f"Usage: tropism {' '.join(path)}")
    assert f"tropism {path[0]}" in rest or f"tropism -C my-project {path[0]}" in rest, "there is no example"
    for option in ALL[path].params:
        if isinstance(option, click.Option):
            assert option.help and option.help[0].isupper() and option.help.endswith((".", ")")), option.name


@pytest.mark.parametrize(
    ("typed", "meant"), [("stauts", "status"), ("upp", "up"), ("decision", "decisions"), ("roll-back", "rollback")]
)
def test_an_unknown_command_suggests_the_nearest(tropism: Command, typed: str, meant: str) -> None:
    said = tropism(typed)
    assert said.code == 2
    assert f"No such command '{typed}'" in said.err
    assert meant in said.err.rpartition("Did you mean")[2]


def test_an_unknown_option_suggests_the_nearest(tropism: Command) -> None:
    said = tropism("up", "--prot", "8800")
    assert said.code == 2
    assert "--port" in said.err


@pytest.mark.parametrize("option", ["-C", "--project", "--debug"])
def test_a_global_option_after_the_command_says_where_it_belongs(tropism: Command, option: str) -> None:
    said = tropism("status", option, "shop")
    assert said.code == 2
    assert "before the command" in said.err


@pytest.mark.parametrize("arguments", MEANT_FOR_A_PROJECT, ids=lambda words: " ".join(map(str, words)))
def test_a_folder_that_is_no_project_is_named_with_the_remedy_and_stays_empty(
    tropism: Command, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    said = tropism("-C", tmp_path, *arguments)
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith("error [project-invalid]")
    assert str(tmp_path) in said.err
    assert "tropism init" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named_and_not_made(tropism: Command, tmp_path: Path) -> None:
    said = tropism("-C", tmp_path / "nowhere", "status")
    assert said.code == 1
    assert "does not exist" in said.err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("arguments", [words for words in MEANT_FOR_A_PROJECT if words != ("down",)])
def test_a_state_folder_that_cannot_be_written_is_named(
    shop: Command, project: Path, arguments: tuple[object, ...]
) -> None:
    (project / ".tropism").write_text("a file where the folder should be")
    said = shop(*arguments)
    assert said.code == 1
    assert str(project / ".tropism") in said.err


def test_a_wrong_setting_is_named(shop: Command, project: Path) -> None:
    (project / "tropism.toml").write_text("[http]\nprt = 5\n")
    said = shop("status")
    assert said.code == 1
    assert said.err == (
        "error [setting-invalid] a setting is not valid\n  http.prt: there is no such setting; did you mean 'port'?\n"
    )


def test_a_mistake_in_the_project_names_its_line(shop: Command, project: Path) -> None:
    path = project / "project.py"
    path.write_text(path.read_text().replace("target=", "targt="))
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "targt" in text)
    said = shop("apply")
    assert said.code == 1
    assert f"project.py:{line}: got 'targt'; did you mean 'target'?" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote",),
        ("promote", "payments"),
        ("promote", "payments", "x"),
        ("release", "payments", "1"),
        ("rollback",),
        ("train",),
        ("train", "payments", "--time", "at"),
        ("replay",),
        ("replay", "data.csv"),
        ("up", "--port", "x"),
        ("up", "--port", "0"),
        ("up", "--port", "65535"),
        ("decisions", "--limit", "0"),
        ("models", "payments", "--compare", "1"),
        ("models", "--compare", "1", "2"),
        ("status", "payments"),
        ("replay", "data.csv", "--target", "y", "--refit-every", "0"),
        ("replay", "data.csv", "--target", "y", "--kind", "x"),
        ("replay", "data.csv", "--target", "y", "--seed", "-1"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_explained(tropism: Command, arguments: tuple[str, ...]) -> None:
    said = tropism(*arguments)
    assert said.code == 2
    assert "Error: " in said.err
    assert said.out == ""


def test_a_text_that_is_no_utf8_is_refused_by_name(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tropism.entrypoints.cli.main import main

    assert main(["-C", str(project), "flags", "set", "beta", "--description", "\udcff"]) == 1
    said = capsys.readouterr().err
    assert "[invalid-input]" in said
    assert "\\udcff" in said


def test_a_defect_is_called_one_and_shows_its_traceback_only_when_asked(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tropism.entrypoints.cli import main

    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("tropism.entrypoints.cli.show_models.list_models", broken)
    assert main(["-C", str(project), "models"]) == 70
    said = capsys.readouterr().err
    assert "[internal] ZeroDivisionError: division by zero" in said
    assert "tropism --debug" in said
    assert "Traceback" not in said
    assert main(["--debug", "-C", str(project), "models"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_is_not_an_error(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tropism.entrypoints.cli import main

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tropism.entrypoints.cli.show_models.list_models", interrupted)
    assert main(["-C", str(project), "models"]) == 130
    assert capsys.readouterr().err.strip() == "stopped"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "tropism", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert "Error" not in done.stderr
    assert "internal" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "tropism", "nix"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "No such command" in done.stderr
