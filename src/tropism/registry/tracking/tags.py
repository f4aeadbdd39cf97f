"""Tags of runs, which may change, and the run's name, which is one of them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from tropism.core.errors import Fault, NotFound
from tropism.registry.tracking.checks import NAME, TAG, require_at_most, require_key
from tropism.registry.tracking.rows import replace
from tropism.storage.tables.tracking_schema import tracking_runs, tracking_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

RUN_NAME = "mlflow.runName"


def write_tags(connection: Connection, run_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a run that is there. That of the run's name names the run. Raises: InvalidInput."""
    for key, value in tags.items():
        require_key(key, "tags.key")
        require_at_most(value, TAG, f"tags: {key}")
    replace(connection, tracking_tags, [{"run_id": run_id, "key": key, "value": tags[key]} for key in sorted(tags)])
    if RUN_NAME in tags:
        require_at_most(tags[RUN_NAME], NAME, RUN_NAME)
        named = tracking_runs.update().where(tracking_runs.c.id == run_id)
        connection.execute(named.values(name=tags[RUN_NAME]))


def remove_tag(connection: Connection, run_id: str, key: str) -> None:
    """Raises: NotFound: the run has no such tag."""
    table = tracking_tags
    if connection.execute(delete(table).where(table.c.run_id == run_id, table.c.key == key)).rowcount == 0:
        raise NotFound(f"run '{run_id}' has no tag '{key}'", Fault("key", repr(key), "name one that it has"))
