"""Where the files of a registered version are, whatever its source calls them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from tropism.core.errors import Fault, InvalidInput
from tropism.registry.tracking.checks import require_path
from tropism.registry.tracking.experiments import ARTIFACTS
from tropism.registry.tracking.logged_models import require_logged
from tropism.registry.tracking.run_rows import require_run
from tropism.storage.tables.tracking_schema import tracking_models, tracking_versions

if TYPE_CHECKING:
    from sqlalchemy import Connection

_RUN = re.compile(r"runs:/+(?P<run>[^/]+)(?:/(?P<path>.*))?")
_LOGGED = re.compile(r"models:/+(?P<model>m-[0-9a-zA-Z-]+)(?:/(?P<path>.*))?")
_VERSION = re.compile(r"models:/+(?P<name>[^/@]+)/(?P<version>\d{1,9})")
_MOST = 8


def model_id_of(source: str) -> str:
    """The logged model that a source names, or none.

    >>> model_id_of("models:/m-0a1b"), model_id_of("mlflow-artifacts:/0/models/m-0a1b/artifacts")
    ('m-0a1b', 'm-0a1b')
    """
    found = _LOGGED.fullmatch(source) or re.fullmatch(r".*/models/(?P<model>m-[0-9a-zA-Z-]+)/artifacts/?", source)
    return found["model"] if found else ""


def folder_of(connection: Connection, source: str) -> str:
    """The folder among the tracked files.

    Raises:
        InvalidInput: the files are not here.
        NotFound: the run or the model that the source names is not here.
    """
    for _ in range(_MOST):
        if source.startswith(ARTIFACTS):
            return require_path(source.removeprefix(ARTIFACTS).strip("/"), "source")
        run, logged, version = _RUN.fullmatch(source), _LOGGED.fullmatch(source), _VERSION.fullmatch(source)
        if run:
            source = _joined(require_run(connection, run["run"]).artifact_uri, run["path"])
        elif logged:
            row = require_logged(connection, logged["model"], deleted=True)
            source = _joined(row.artifact_uri, logged["path"])
        elif version:
            source = _source(connection, version["name"], int(version["version"])) or ""
        else:
            break
    fix = "log the model through this server, then register it from runs:/ or models:/"
    raise InvalidInput("the files of this version are not here", Fault("source", source[:200], fix))


def _source(connection: Connection, name: str, version: int) -> str | None:
    table, models = tracking_versions, tracking_models
    query = select(table.c.source).join(models, models.c.id == table.c.model)
    source: str | None = connection.scalar(query.where(models.c.name == name, table.c.version == version))
    return source


def _joined(root: str, path: str | None) -> str:
    return f"{root.rstrip('/')}/{path.strip('/')}" if path else root
