"""What a run logs, in one transaction: metrics, params and tags together, or one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.registry.tracking.checks import LARGEST, METRICS, PARAMS, invalid, require_few, require_key
from tropism.registry.tracking.inputs import write_inputs
from tropism.registry.tracking.logged_metrics import write_logged_metrics
from tropism.registry.tracking.metrics import write_metrics
from tropism.registry.tracking.params import write_params
from tropism.registry.tracking.run_rows import require_run
from tropism.registry.tracking.tags import remove_tag, write_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.registry.tracking.inputs import DatasetInput
    from tropism.registry.tracking.metrics import Metric
    from tropism.storage.tables import Database


class Batches:
    """Writes what runs log. All of a call is stored, or nothing.

    Raises (from each method):
        NotFound: there is no such run.
        InvalidInput: the run is deleted, or a key or value does not fit; nothing is stored.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[Metric] = (),
        params: Sequence[tuple[str, str]] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Logs up to 1,000 metrics, 100 params and 100 tags, 1,000 of all together, as MLflow has it."""
        tags = tags or {}
        require_few(metrics, METRICS, "metrics")
        require_few(params, PARAMS, "params")
        require_few(tags, PARAMS, "tags")
        require_few(range(len(metrics) + len(params) + len(tags)), METRICS, "metrics, params and tags")
        for index, one in enumerate(metrics):
            _require_metric(one, f"metrics[{index}]" if len(metrics) > 1 else "")
        with self._db.begin() as connection:
            require_run(connection, run_id, active=True)
            write_params(connection, run_id, params)
            write_metrics(connection, run_id, metrics)
            write_logged_metrics(connection, run_id, metrics)
            write_tags(connection, run_id, tags)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Raises: NotFound: it has no such tag."""
        with self._db.begin() as connection:
            require_run(connection, run_id, active=True)
            remove_tag(connection, run_id, key)

    def log_inputs(self, run_id: str, inputs: Sequence[DatasetInput]) -> None:
        """Notes the data sets that a run read; one that is noted already is replaced."""
        require_few(inputs, METRICS, "datasets")
        with self._db.begin() as connection:
            require_run(connection, run_id, active=True)
            write_inputs(connection, run_id, inputs)


def _require_metric(one: Metric, place: str) -> None:
    where = f"{place}." if place else ""
    require_key(one.key, f"{where}key")
    if not 0 <= one.at <= LARGEST:
        raise invalid(f"{where}timestamp", one.at // 1_000, "send milliseconds since 1970, and none before")
