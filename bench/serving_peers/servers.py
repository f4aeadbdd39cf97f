"""Every server that is compared: how it is started, how it is asked, and what its answers look like.

Each has one worker, its access log off, telemetry off and numerical libraries on one thread; everything else is as
its package installs it and its documentation starts it. Where a server leaves the format of a body open, rows are
lists of numbers, the cheapest to read; Tropism is sent the name of each feature with each row.

"mlflow" is MLflow's first example, `dataframe_split` to a model with a signature; "mlflow_inputs" is the cheapest that
it answers, `inputs` to a model without. MLServer runs the model in the process that listens, which is cheaper than its
default of one process more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "UVICORN_ACCESS_LOG": "0",
    "PYTHONUNBUFFERED": "1",
}
OURS = "tropism"
"""The environment that is not made but is this one."""

Row = list[float]
Rows = Sequence[Row]
Command = list[str | Path]


class Place(NamedTuple):
    """Where a server runs.

    `environment`: folder of its virtual environment. `work`: a folder of its own. `project`: the folder of ours.
    `short`: a folder with a short path, for sockets and what servers leave behind.
    `names`: of the features. `ports`: three free ones.
    """

    environment: Path
    work: Path
    model: Path
    rows: Path
    project: Path
    short: Path
    names: list[str]
    ports: tuple[int, int, int]

    @property
    def port(self) -> int:
        """Where it is asked."""
        return self.ports[0]

    def program(self, name: str) -> Path:
        """A program of the server's environment."""
        return self.environment / "bin" / name

    @property
    def python(self) -> Path:
        return self.program("python")


class Contestant(NamedTuple):
    """A server. `environment`: the name of its virtual environment; `scores`: of a parsed reply to `body`;
    `prepare`: gives a command to run before the first start, or nothing; `echoes`: the limit that only sends back."""

    name: str
    environment: str
    command: Callable[[Place], Command]
    path: str
    body: Callable[[Place, Rows], Any]
    scores: Callable[[Any], list[float]]
    settings: Callable[[Place], Mapping[str, str]] = lambda _: {}
    prepare: Callable[[Place], Command | None] = lambda _: None
    echoes: bool = False

    def encoded(self, place: Place, rows: Rows) -> bytes:
        return json.dumps(self.body(place, rows), separators=(",", ":")).encode()


def _matrix(_: Place, rows: Rows) -> Any:
    return {"inputs": list(rows)}


def _scores(reply: Any) -> list[float]:
    return list(reply["scores"])


def _model(place: Place) -> dict[str, str]:
    return {"MODEL": str(place.model), "PORT": str(place.port)}


# Tropism.


def _features(place: Place, rows: Rows) -> Any:
    instances = [{"features": dict(zip(place.names, row, strict=True))} for row in rows]
    return instances[0] if len(instances) == 1 else {"instances": instances}


def _chances(reply: Any) -> list[float]:
    return [float(one["probabilities"]["true"]) for one in reply.get("predictions", [reply])]


def _tropism(name: str, *switches: str, **settings: str) -> Contestant:
    return Contestant(
        name,
        OURS,
        lambda place: [sys.executable, HERE / "tropism_app.py", place.project, *switches],
        "/v1/tasks/bench/predict",
        _features,
        _chances,
        lambda place: {"TROPISM_HTTP_PORT": str(place.port), **settings},
    )


# MLflow.


def _save_mlflow(*switches: str) -> Callable[[Place], Command | None]:
    def save(place: Place) -> Command | None:
        saved = place.work / "model"
        if saved.exists():
            return None
        return [place.python, HERE / "mlflow_save.py", place.model, place.rows, saved, *switches]

    return save


def _serve_mlflow(place: Place) -> Command:
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(place.port), "--workers", "1"]
    return [place.program("mlflow"), "models", "serve", "--model-uri", place.work / "model", *options]


def _mlflow(name: str, body: Callable[[Place, Rows], Any], *switches: str) -> Contestant:
    return Contestant(
        name, "mlflow", _serve_mlflow, "/invocations", body, lambda reply: reply["predictions"],
        lambda place: {"MLFLOW_TRACKING_URI": f"sqlite:///{place.work / 'mlflow.db'}"}, _save_mlflow(*switches),
    )  # fmt: skip


def _split(place: Place, rows: Rows) -> Any:
    return {"dataframe_split": {"columns": place.names, "data": list(rows)}}


# MLServer.


def _prepare_mlserver(place: Place) -> None:
    """Its configuration names its ports, so it is written before each start."""
    first, second, third = place.ports
    server = {
        "debug": False, "parallel_workers": 0,
        "host": "127.0.0.1", "http_port": first, "grpc_port": second, "metrics_port": third,
    }  # fmt: skip
    model = {
        "name": "bench",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": str(place.model)},
    }
    (place.work / "settings.json").write_text(json.dumps(server))
    (place.work / "model-settings.json").write_text(json.dumps(model))


def _tensor(_: Place, rows: Rows) -> Any:
    values = [value for row in rows for value in row]
    return {"inputs": [{"name": "rows", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": values}]}


# The others.


def _uvicorn(app: str) -> Callable[[Place], Command]:
    return lambda place: [
        place.program("uvicorn"), "--app-dir", HERE, "--port", str(place.port), "--no-access-log", f"{app}:app",
    ]  # fmt: skip


def _script(name: str, *words: str) -> Callable[[Place], Command]:
    return lambda place: [place.python, HERE / name, *words]


def _ray(place: Place) -> dict[str, str]:
    """The cluster is this machine's and lasts a minute; a token for it would be left in the user's home."""
    return {**_model(place), "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": str(place.short)}


def _bento(place: Place) -> dict[str, str]:
    return {**_model(place), "BENTOML_HOME": str(place.work / "home")}


def _serve_bentoml(place: Place) -> Command:
    where: Command = ["--working-dir", HERE, "--host", "127.0.0.1", "--port", str(place.port)]
    return [place.program("bentoml"), "serve", *where, "bentoml_app:Trees"]


def _echoed(reply: Any) -> list[float]:
    """An echo has no scores; what comes back must be what was sent."""
    return [value for row in reply["inputs"] for value in row]


OURS_ALWAYS = (
    _tropism("ours"),
    _tropism("ours_no_journal", "--without-journal"),
    _tropism("ours_fsync_os", TROPISM_JOURNAL_FSYNC="os"),
)
PEERS = (
    _mlflow("mlflow", _split),
    _mlflow("mlflow_inputs", _matrix, "--without-signature"),
    Contestant("ray_serve", "ray_serve", _script("ray_serve_app.py"), "/predict", _matrix, _scores, _ray),
    Contestant("bentoml", "bentoml", _serve_bentoml, "/predict", _matrix, list, _bento),
    Contestant("litserve", "litserve", _script("litserve_app.py"), "/predict", _matrix, _scores, _model),
    Contestant(
        "mlserver", "mlserver", lambda place: [place.program("mlserver"), "start", "."], "/v2/models/bench/infer",
        _tensor, lambda reply: reply["outputs"][0]["data"], prepare=_prepare_mlserver,
    ),
    Contestant("fastapi", "fastapi", _uvicorn("fastapi_app"), "/predict", _matrix, _scores, _model),
)  # fmt: skip
LIMITS = (
    Contestant("uvicorn_echo", "limits", _uvicorn("uvicorn_echo"), "/", _matrix, _echoed, echoes=True),
    Contestant(
        "httptools_echo", "limits", _script("httptools_server.py", "echo"), "/", _matrix, _echoed, _model, echoes=True
    ),
    Contestant("httptools_model", "limits", _script("httptools_server.py", "model"), "/", _matrix, _scores, _model),
)
