from __future__ import annotations

from typing import Any

import pytest

from tropism.entrypoints.api.protocols.mlflow_scoring import MlflowScoring
from tropism.entrypoints.api.protocols.mlflow_scoring_description import mlflow_paths


@pytest.mark.parametrize("path", sorted(mlflow_paths()))
def test_what_is_described_is_answered(shop: Any, path: str) -> None:
    (method,) = mlflow_paths()[path]
    found = MlflowScoring(shop.core).find(method.upper(), path.replace("{task}", "price"))
    assert found is not None
    assert method.upper() in found.allowed
