"""Keeps a table quick: merges small files, lets old versions go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import PostCommitHookProperties
from deltalake.exceptions import CommitFailedError

from tropism.core.clock import SECOND, iso

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from tropism.storage.lake.settings import LakeSettings

_HOUR = 3_600 * SECOND
_PRUNED_BY = ("id", "at", "received", "prediction_id", "writer", "seq")
"""Columns that get statistics in the log. The others would make every commit larger and nothing faster."""
_TIERS = (64, 8, 1)


def configuration(settings: LakeSettings, schema: pa.Schema) -> dict[str, str]:
    """Delta's properties of a new table."""
    indexed = [name for name in _PRUNED_BY if name in schema.names]
    statistics = {"delta.dataSkippingStatsColumns": ",".join(indexed)} if indexed else {}
    return {**statistics, **_retention(settings)}


def configure(delta: DeltaTable, settings: LakeSettings) -> None:
    """Bring a table's properties in line with settings that have changed."""
    existing = delta.metadata().configuration
    changed = {name: value for name, value in _retention(settings).items() if existing.get(name) != value}
    if changed:
        delta.alter.set_table_properties(changed)


def compact(delta: DeltaTable, settings: LakeSettings, more_than: int | None = None) -> int:
    """Merge small files where more than `more_than` (default: the setting) gathered; how many were merged.

    Works in tiers, the smallest files first, so that a row is rewritten about three times in all and not each
    time that some new files arrive. Appends go on meanwhile; when somebody else rewrites the table, this stops.
    """
    limit = settings.compact_after if more_than is None else more_than
    tiers = _TIERS if more_than is None else _TIERS[-1:]
    merged = 0
    for tier in tiers:
        size = settings.target_file_bytes // tier
        if _smaller(delta, size) > limit:
            try:
                merged += int(delta.optimize.compact(target_size=size)["numFilesRemoved"])
            except CommitFailedError:
                break
    return merged


def let_go(delta: DeltaTable, keep: int) -> int:
    """Delete files replaced, or left behind by a failed write, more than `keep` µs ago; how many.

    The log is cut at the last checkpoint that is older than the table's own retention.
    """
    delta.create_checkpoint()
    delta.cleanup_metadata()
    hours = max(1, -(-keep // _HOUR))
    hooks = PostCommitHookProperties(create_checkpoint=False)
    deleted = delta.vacuum(
        hours, dry_run=False, enforce_retention_duration=False, full=True, post_commithook_properties=hooks
    )
    return len(deleted)


def expire(delta: DeltaTable, before: int) -> int:
    """Delete rows with `at` before a time; how many."""
    return int(delta.delete(f"at < '{iso(before)}'").get("num_deleted_rows") or 0)


def _retention(settings: LakeSettings) -> dict[str, str]:
    interval = f"interval {settings.keep // SECOND} seconds"
    return {
        "delta.checkpointInterval": str(settings.checkpoint_every),
        "delta.logRetentionDuration": interval,
        "delta.deletedFileRetentionDuration": interval,
    }


def _smaller(delta: DeltaTable, size: int) -> int:
    sizes = pa.table(delta.get_add_actions(flatten=True))["size_bytes"]
    return int(pc.sum(pc.less(sizes, size)).as_py() or 0)
