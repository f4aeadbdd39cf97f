"""Logged models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import InvalidInput, NotFound
from tropism.registry.tracking import Metric, RunModel
from tropism.registry.tracking.filters import Order

if TYPE_CHECKING:
    from tropism.registry.tracking import Tracking


def test_a_model_is_pending_until_its_files_are_there(tracking: Tracking) -> None:
    made = tracking.logged.create("0", 5, name="m", source_run_id="r", tags={"a": "1"}, params={"depth": "3"})
    assert (made.status, made.artifact_uri) == ("PENDING", f"mlflow-artifacts:/0/models/{made.id}/artifacts")
    done = tracking.logged.finish(made.id, "READY", 6)
    assert (done.status, done.tags, done.params, done.updated_at) == ("READY", {"a": "1"}, {"depth": "3"}, 6)


def test_a_metric_of_a_run_that_names_a_model_is_the_models_too(tracking: Tracking) -> None:
    model, run = tracking.logged.create("0", 5), tracking.runs.create("0", 5).info.id
    about = {"model_id": model.id, "dataset_name": "test", "dataset_digest": "d"}
    for step, value in ((2, 0.9), (1, 0.5)):
        tracking.batches.log(run, metrics=[Metric(key="auc", value=value, at=step, step=step, **about)])
    tracking.batches.log(run, metrics=[Metric(key="auc", value=1.0, at=1, model_id="m-nix")])
    (found,) = tracking.logged.get(model.id).metrics
    assert (found.value, found.step, found.run_id, found.dataset_name) == (0.9, 2, run, "test")


def test_a_run_knows_the_models_that_it_made_and_used(tracking: Tracking) -> None:
    model, run = tracking.logged.create("0", 5), tracking.runs.create("0", 5).info.id
    noted = [RunModel(model_id=model.id, direction="output", step=4), RunModel(model_id=model.id, direction="input")]
    tracking.run_models.note(run, noted)
    assert set(tracking.runs.get(run).models) == set(noted)
    with pytest.raises(NotFound, match="m-nix"):
        tracking.run_models.note(run, [RunModel(model_id="m-nix", direction="output")])


def test_models_are_found_by_what_they_are_and_sorted_by_their_metrics(tracking: Tracking) -> None:
    run = tracking.runs.create("0", 5).info.id
    for at, (name, value) in enumerate((("a", 0.1), ("b", 0.9), ("c", 0.5)), start=6):
        model = tracking.logged.create("0", at, name=name, tags={"kind": name}, params={"depth": name})
        tracking.batches.log(run, metrics=[Metric(key="auc", value=value, at=1, model_id=model.id)])

    def names(text: str, *orders: Order) -> str:
        return "".join(one.name for one in tracking.logged.search(["0"], text, orders))

    assert names("") == "cba"
    assert names("", Order("metrics", "auc", True)) == "bca"
    assert names("metrics.auc > 0.3") == "cb"
    assert names("tags.kind = 'a'") == names("params.depth = 'a'") == names("attributes.name = 'a'") == "a"
    with pytest.raises(InvalidInput):
        names("nix = 'a'")


def test_a_deleted_model_is_seen_only_where_it_is_asked_for(tracking: Tracking) -> None:
    made = tracking.logged.create("0", 5)
    tracking.logged.delete(made.id, 6)
    with pytest.raises(NotFound):
        tracking.logged.get(made.id)
    assert tracking.logged.get(made.id, deleted=True).lifecycle == "deleted"
    assert tracking.logged.search(["0"]) == ()


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "x" * 501])
def test_a_name_that_a_path_could_be_is_refused(tracking: Tracking, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        tracking.logged.create("0", 5, name=name)
