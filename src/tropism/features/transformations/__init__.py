"""Transformations of features: declared, fitted on training rows, stored as plain data, and applied online and offline.

>>> import pyarrow as pa
>>> from tropism.features.transformations import Log, OneHot, Pipeline, ZScore
>>> steps = (Log("amount", offset=1.0), ZScore("log_amount"), OneHot("card"))
>>> pipeline = Pipeline({"amount": float, "card": str}, steps)
>>> fitted = pipeline.fit(pa.table({"amount": [0.0, 9.0, 99.0], "card": ["debit", "credit", "debit"]}))
>>> fitted.apply_row({"amount": 0.0, "card": "gift"})
{'log_amount': 0.0, 'zscore_log_amount': -1.224744871391589, 'card=debit': 0, 'card=credit': 0, 'card_other': 1}
"""

from __future__ import annotations

from tropism.features.transformations.base import Fitted, TrainingRows, Transformation
from tropism.features.transformations.binning import Binning
from tropism.features.transformations.crossing import Cross
from tropism.features.transformations.embedding import Embedding, Encoder
from tropism.features.transformations.one_hot import OneHot
from tropism.features.transformations.pipeline import FittedPipeline, Pipeline
from tropism.features.transformations.products import Interaction, Polynomial
from tropism.features.transformations.scaling import Log, MinMax, ZScore
from tropism.features.transformations.target_encoding import TargetEncoding
from tropism.features.transformations.time_parts import TimeParts

__all__ = [
    "Binning",
    "Cross",
    "Embedding",
    "Encoder",
    "Fitted",
    "FittedPipeline",
    "Interaction",
    "Log",
    "MinMax",
    "OneHot",
    "Pipeline",
    "Polynomial",
    "TargetEncoding",
    "TimeParts",
    "TrainingRows",
    "Transformation",
    "ZScore",
]
