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
