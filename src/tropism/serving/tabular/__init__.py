"""Rows as tables: CSV, JSON lines, Parquet and Arrow, read and written with the meaning of single rows."""

from tropism.serving.tabular.asking import asks
from tropism.serving.tabular.base import Limits
from tropism.serving.tabular.bodies import MEDIA_TYPES, decode, encode
from tropism.serving.tabular.results import carried_beside, result_table

__all__ = ["Limits", "MEDIA_TYPES", "asks", "carried_beside", "decode", "encode", "result_table"]
