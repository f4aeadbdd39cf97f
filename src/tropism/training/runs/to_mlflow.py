"""Writes a run to another MLflow, by its own client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, NotReady, SettingInvalid
from tropism.core.plugins import require
from tropism.training.runs.base import Sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.training.runs.base import Point, RunStart, Status

TAG = "tropism.run"
"""Tag of the run there that holds its id here."""
_MILLISECOND = 1_000
_BATCH = 100
_POINTS = 1_000


class MlflowSink(Sink):
    """One run on a server, in a folder or a database of MLflow's.

    The run that carries our id as its tag is taken up again, so that a repeated training makes no second one.
    """

    def __init__(self, url: str) -> None:
        """`url`: the tracking URI.

        Raises:
            SettingInvalid: it is empty.
            MissingExtra: MLflow is not installed.
        """
        if not url:
            fix = "name the other MLflow: http://host:5000, or set MLFLOW_TRACKING_URI"
            raise SettingInvalid("the address of MLflow is missing", Fault("tracking.mlflow_url", "", fix))
        self._module = require("mlflow", "mlflow")
        self._url = url
        self._client: Any = None
        self._run = ""

    def start(self, run: RunStart) -> None:
        """Raises: SettingInvalid: the server is the project that the run is written into already."""
        self._client = self._module.MlflowClient(tracking_uri=self._url)
        if self._asked(lambda: self._knows(run.id)):
            fix = "name another MLflow: the runs are in this store already, where its clients see them"
            fault = Fault("tracking.mlflow_url", self._url, fix)
            raise SettingInvalid("the run would be written twice into this very project", fault)

        def begin() -> str:
            found = self._client.get_experiment_by_name(run.experiment)
            experiment = found.experiment_id if found is not None else self._client.create_experiment(run.experiment)
            known = self._client.search_runs([experiment], f"tags.`{TAG}` = '{run.id}'", max_results=1)
            if known:
                return str(known[0].info.run_id)
            tags = {**run.tags, TAG: run.id}
            made = self._client.create_run(experiment, run.at // _MILLISECOND, tags=tags, run_name=run.name)
            return str(made.info.run_id)

        self._run = str(self._asked(begin))

    def params(self, values: Mapping[str, str]) -> None:
        from_mlflow = self._module.entities.Param
        self._batches("params", [from_mlflow(key, value) for key, value in values.items()], _BATCH)

    def metrics(self, points: Sequence[Point]) -> None:
        metric = self._module.entities.Metric
        made = [metric(one.key, one.value, one.at // _MILLISECOND, one.step) for one in points]
        self._batches("metrics", made, _POINTS)

    def tags(self, values: Mapping[str, str]) -> None:
        tag = self._module.entities.RunTag
        self._batches("tags", [tag(key, value) for key, value in values.items()], _BATCH)

    def file(self, path: str, data: bytes) -> None:
        import tempfile
        from pathlib import Path

        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as made:
            local = Path(made) / name
            local.write_bytes(data)
            self._asked(lambda: self._client.log_artifact(self._run, str(local), folder or None))

    def end(self, status: Status, at: int) -> None:
        self._asked(lambda: self._client.set_terminated(self._run, status, at // _MILLISECOND))

    def _knows(self, run_id: str) -> bool:
        """Whether the server has a run of our own id: elsewhere a run gets an id of that place."""
        try:
            self._client.get_run(run_id)
        except self._module.exceptions.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return True

    def _batches(self, kind: str, values: Sequence[Any], size: int) -> None:
        for start in range(0, len(values), size):
            part = {kind: values[start : start + size]}
            self._asked(lambda part=part: self._client.log_batch(self._run, **part))

    def _asked(self, call: Any) -> Any:
        try:
            return call()
        except Exception as error:
            reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
            fault = Fault("tracking.mlflow_url", self._url, f"see that it answers: {reason}")
            raise NotReady("the run could not be written to MLflow", fault) from error
