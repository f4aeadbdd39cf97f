from __future__ import annotations

import pytest

from tropism.entrypoints.api.routing import route


@pytest.mark.parametrize(
    "path", ["/", "/v1/tasks/price", "/v1/tasks//predict", "/v1/tasks/a/b/predict", "/healthz/", ""]
)
def test_other_paths_are_not_ours(path: str) -> None:
    assert route(path) is None


def test_the_task_is_in_the_path() -> None:
    found = route("/v1/tasks/predict/predict")
    assert found is not None
    assert (found.name, found.task) == ("predict", "predict")


def test_the_stream_is_in_the_path() -> None:
    found = route("/v1/features/payments/events")
    assert found is not None
    assert (found.name, found.stream, found.allowed) == ("events", "payments", ("POST",))
    for path in ("/v1/features//events", "/v1/features/a/b/events", "/v1/features/payments", "/v1/features/events"):
        assert route(path) is None


def test_features_are_computed_here_and_described_elsewhere() -> None:
    found = route("/api/v1/ml/features/compute")
    assert found is not None
    assert (found.name, found.allowed) == ("compute", ("POST",))
    for path in ("/api/v1/ml/features", "/api/v1/ml/features/spend", "/api/v1/ml/features/compute/values"):
        assert route(path) is None
