"""Training sets: for each label, the features as they were known at its time.

>>> from datetime import datetime, UTC
>>> import pyarrow as pa
>>> from tropism.features import Entity, FeatureView, Field, ParquetSource
>>> account = Entity("account", key="account_id")
>>> profile = FeatureView("profile", entity=account, source=ParquetSource("profiles.parquet", timestamp="updated_at"),
...                       fields=[Field("limit", int)])
>>> day = lambda number: datetime(2026, 1, number, tzinfo=UTC)
>>> rows = pa.table({"account_id": [7, 7], "updated_at": [day(2), day(4)], "limit": [100, 200]})
>>> labels = pa.table({"account_id": ["7", "7", "8"], "at": [day(3), day(1), day(5)]})
>>> training_set(labels, [profile], lambda view, columns: rows, at="at")["profile.limit"].to_pylist()
[100, None, None]
"""

from __future__ import annotations

from tropism.features.offline.joining import latest
from tropism.features.offline.reading import read_source
from tropism.features.offline.training_set import training_set

__all__ = ["latest", "read_source", "training_set"]
