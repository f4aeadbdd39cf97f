"""Each place that runs are also written to, with its own package: skipped aloud where that is not installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tropism.core.errors import MissingExtra, SettingInvalid
from tropism.training.runs.base import Point, RunStart, Sink
from tropism.training.runs.opening import open_also
from tropism.training.runs.settings import TrackingSettings
from tropism.training.runs.to_mlflow import MlflowSink

START = RunStart(id="ab" * 16, experiment="tropism/fraud", name="one", at=1_700_000_000_000_000, tags={"a": "b"})
PACKAGES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}


def opened(name: str, folder: Path) -> Sink:
    if importlib.util.find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed")
    settings = TrackingSettings(mlflow_url=f"sqlite:///{folder}/mlflow.db", folder=str(folder))
    (sink,) = open_also([name], settings, folder)
    return sink


def write(sink: Sink) -> None:
    sink.start(START)
    sink.params({"trees": "2"})
    sink.metrics([Point(key="loss", value=0.5 - step / 10, at=START.at, step=step) for step in range(3)])
    sink.tags({"c": "d"})
    sink.file("plots/one.svg", b"<svg/>")
    sink.end("FINISHED", START.at + 1_000_000)


def _events(path: Path) -> list[Any]:
    """What an event file holds: records of a length (8 bytes), its check (4), a message, and its check (4)."""
    kind = importlib.import_module("tensorboardX.proto.event_pb2").Event
    data, found = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        found.append(kind.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    return found


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    write(opened("tensorboard", tmp_path))
    (folder,) = (tmp_path / "tensorboard" / "tropism-fraud").iterdir()
    (events,) = folder.glob("events.out.tfevents.*")
    found = [(one.step, value.simple_value) for one in _events(events) for value in one.summary.value
             if value.tag == "loss"]  # fmt: skip
    assert [(step, round(value, 3)) for step, value in found] == [(0, 0.5), (1, 0.4), (2, 0.3)]
    assert (folder / "artifacts" / "plots" / "one.svg").read_bytes() == b"<svg/>"


def test_wandb_is_written_offline(tmp_path: Path) -> None:
    write(opened("wandb", tmp_path))
    importlib.import_module("wandb").teardown()  # its own process writes the last of it
    (folder,) = (tmp_path / "wandb").glob(f"offline-run-*-{START.id}")
    assert b"loss" in (folder / f"run-{START.id}.wandb").read_bytes()


def test_another_mlflow_takes_up_a_repeated_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MLflow puts files into this folder
    for _ in range(2):
        write(opened("mlflow", tmp_path))
    import mlflow  # type: ignore[import-not-found,unused-ignore]

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("tropism/fraud")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.params, run.data.tags["tropism.run"]) == ("FINISHED", {"trees": "2"}, START.id)


@pytest.mark.parametrize("name", PACKAGES)
def test_without_its_package_a_place_names_the_extra(tmp_path: Path, name: str) -> None:
    if importlib.util.find_spec(PACKAGES[name]) is not None:
        pytest.skip(f"{PACKAGES[name]} is installed")
    with pytest.raises(MissingExtra, match=rf"tropism\[{name}\]"):
        open_also([name], TrackingSettings(mlflow_url="http://127.0.0.1:5000"), tmp_path)


class _Mlflow:
    """The client of a server that knows the runs with these ids."""

    class MlflowException(Exception):
        error_code = "RESOURCE_DOES_NOT_EXIST"

    def __init__(self, *known: str) -> None:
        self.exceptions, self.known, self.made = self, known, list[str]()

    def MlflowClient(self, tracking_uri: str) -> _Mlflow:  # noqa: N802
        return self

    def get_run(self, run_id: str) -> None:
        if run_id not in self.known:
            raise self.MlflowException

    def get_experiment_by_name(self, name: str) -> None: ...

    def create_experiment(self, name: str) -> str:
        return "1"

    def search_runs(self, *asked: Any, **more: Any) -> list[Any]:
        return []

    def create_run(self, *asked: Any, **more: Any) -> Any:
        self.made.append(more["tags"]["tropism.run"])
        return SimpleNamespace(info=SimpleNamespace(run_id="1"))


def test_a_server_that_has_the_run_already_is_this_project_and_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ((), (START.id,)):
        there = _Mlflow(*known)
        monkeypatch.setitem(sys.modules, "mlflow", there)
        sink = MlflowSink("http://tracking.example")
        if known:
            with pytest.raises(SettingInvalid, match="twice into this very project"):
                sink.start(START)
        else:
            sink.start(START)
        assert there.made == ([] if known else [START.id])
