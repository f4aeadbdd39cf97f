from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.entrypoints.shop import moment, open_shop

from tropism.core.errors import UnknownFeature
from tropism.wiring import Platform


class Frame:
    """As frames of pandas and Polars hand their columns out."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Platform]:
    made = open_shop(tmp_path / "shop")
    yield made
    made.features.online.close()
    made.features.windows.close()
    made.database.dispose()


@pytest.mark.parametrize("form", [lambda table: table, Frame], ids=["arrow", "frame"])
def test_labels_of_any_kind_become_a_training_set(shop: Platform, form: type[Frame]) -> None:
    at = [moment(shop.clock.now())] * 2
    labels = pa.table({"account_id": ["a-1", "zz"], "amount": [6.0, 1.0], "decided": at, "fraud": [True, False]})
    made = shop.training_set(form(labels), ["ratio", "profile.segment"], at="decided")
    assert made.column_names == ["account_id", "amount", "decided", "fraud", "ratio", "profile.segment"]
    assert made.select(["ratio", "profile.segment"]).to_pylist() == [
        {"ratio": 2.0, "profile.segment": "gold"},
        {"ratio": None, "profile.segment": None},
    ]


def test_a_feature_that_is_not_there_is_named_with_the_nearest(shop: Platform) -> None:
    labels = pa.table({"account_id": ["a-1"], "decided": [moment(shop.clock.now())]})
    with pytest.raises(UnknownFeature, match=r"did you mean 'spend\.count_7d'"):
        shop.training_set(labels, ["spend.count_8d"], at="decided")
