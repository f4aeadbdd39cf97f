from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from tropism.config import load_settings
from tropism.core.errors import InvalidInput, MissingExtra, NotFound, SettingInvalid
from tropism.entrypoints.tracking import start_run
from tropism.entrypoints.tracking.finding import Shown, curves, find_run, read_file
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from pathlib import Path


def found(folder: Path, wanted: str) -> Shown:
    platform = open_platform(load_settings(folder, environment={}))
    try:
        return find_run(platform.tracking, wanted, 1)
    finally:
        platform.database.dispose()


def test_what_a_script_logs_is_there_at_once_and_after(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("hello")
    with start_run("fraud", "first", project=tmp_path, tags={"team": "risk"}) as run:
        run.log_params({"trees": 3})
        run.log_metrics({"loss": 0.5}, step=1)
        assert found(tmp_path, run.id).status == "RUNNING"
        run.log_metrics({"loss": 0.25}, step=2)
        run.log_artifact(tmp_path / "notes", "docs")
        run.log_figure("<svg/>", "plots/one.svg")
        run.log_model_architecture({"layers": [{"units": 8}]})
    after = found(tmp_path, "first")
    assert (after.status, after.params, after.metrics) == ("FINISHED", {"trees": "3"}, {"loss": 0.25})
    assert after.files == ("architecture.json", "architecture.txt", "docs/notes/a.txt", "plots/one.svg")
    platform = open_platform(load_settings(tmp_path, environment={}))
    assert curves(platform.tracking, after.id)[0].points == ((1, 0.5), (2, 0.25))
    assert read_file(platform.tracking, after.id, "docs/notes/a.txt") == b"hello"
    platform.database.dispose()


def test_a_script_that_raises_leaves_a_failed_run_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), start_run("fraud", "bad", project=tmp_path):
        _ = 1 / 0
    assert found(tmp_path, "bad").tags["tropism.failure"] == "ZeroDivisionError: division by zero"
    assert found(tmp_path, "bad").status == "FAILED"


class Figure:
    """As Matplotlib's, as far as a run needs it."""

    def savefig(self, target: Any, **options: str) -> None:
        target.write(f"drawn as {options['format']}".encode())


def test_bad_input_names_the_field_and_the_fix(tmp_path: Path) -> None:
    with start_run(project=tmp_path) as run:
        run.log_figure(Figure(), "plots/two.png")
        with pytest.raises(InvalidInput, match=r"metrics\.loss"):
            run.log_metrics({"loss": "low"})  # type: ignore[dict-item]
        with pytest.raises(InvalidInput, match="figure of Matplotlib"):
            run.log_figure(7)
        with pytest.raises(NotFound, match="can be read"):
            run.log_artifact(tmp_path / "none")
        with pytest.raises(InvalidInput, match="path"):
            run.log_text("x", "../out.txt")
        run.log_params({"a": 1})
        with pytest.raises(InvalidInput, match="another value"):
            run.log_params({"a": 2})
    with pytest.raises(InvalidInput, match="has ended"):
        run.log_metrics({"loss": 1.0})


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="did you mean 'wandb'"):
        start_run(project=tmp_path, also=["wandbe"])
    with pytest.raises(SettingInvalid, match=r"tracking\.mlflow_url"):
        start_run(project=tmp_path, also=["mlflow"])


@pytest.mark.parametrize(("place", "package"), [("wandb", "wandb"), ("tensorboard", "tensorboardX")])
def test_a_missing_package_names_the_extra(tmp_path: Path, place: str, package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(MissingExtra, match=rf"tropism\[{place}\]"):
        start_run(project=tmp_path, also=[place])
