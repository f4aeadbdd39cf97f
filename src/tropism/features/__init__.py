"""Features: declared once, the same values in training and in serving.

>>> from tropism.features import Decimal, Entity, FeatureView, Field, StreamSource, agg
>>> payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})
>>> account = Entity("account", key="account_id")
>>> spend = FeatureView("spend", entity=account, source=payments,
...                     fields=[agg.sum("amount", "24h"), agg.count("7d"), agg.mean("amount", "30d")])
>>> spend.names
('sum_amount_24h', 'count_7d', 'mean_amount_30d')
"""

from __future__ import annotations

from tropism.features.aggregations import Aggregation, agg
from tropism.features.on_demand import OnDemand, on_demand
from tropism.features.pipelines import pipeline_features
from tropism.features.sources import CsvSource, DeltaSource, LakeSource, ParquetSource, SqlSource, StreamSource
from tropism.features.types import Decimal, Vector
from tropism.features.views import Entity, FeatureView, Field

__all__ = [
    "Aggregation",
    "CsvSource",
    "Decimal",
    "DeltaSource",
    "Entity",
    "FeatureView",
    "Field",
    "LakeSource",
    "OnDemand",
    "ParquetSource",
    "SqlSource",
    "StreamSource",
    "Vector",
    "agg",
    "on_demand",
    "pipeline_features",
]
