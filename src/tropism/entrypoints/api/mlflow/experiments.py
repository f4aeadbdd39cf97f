"""Calls about experiments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from tropism.entrypoints.api.mlflow.calls import MILLISECOND, Call, KeyValue, Sent, Text, listed, paged, tags_of
from tropism.registry.tracking.experiments import View

if TYPE_CHECKING:
    from tropism.entrypoints.api.mlflow.calls import Context
    from tropism.registry.tracking import Experiment

Reply = dict[str, Any]


class CreateExperiment(Sent, kw_only=True):
    name: Text
    artifact_location: Text = ""
    tags: tuple[KeyValue, ...] = ()


class OneExperiment(Sent, kw_only=True):
    experiment_id: Text


class NamedExperiment(Sent, kw_only=True):
    experiment_name: Text


class SearchExperiments(Sent, kw_only=True):
    max_results: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 1_000
    page_token: Text = ""
    filter: Text = ""
    order_by: tuple[Text, ...] = ()
    view_type: View = "ACTIVE_ONLY"


class UpdateExperiment(Sent, kw_only=True):
    experiment_id: Text
    new_name: Text = ""


class ExperimentTag(KeyValue, kw_only=True):
    experiment_id: Text


class ExperimentTagKey(Sent, kw_only=True):
    experiment_id: Text
    key: Text


class SearchDatasets(Sent, kw_only=True):
    experiment_ids: list[Text]


def _create(at: Context, sent: CreateExperiment) -> Reply:
    location, tags = sent.artifact_location, tags_of(sent.tags)
    return {"experiment_id": at.tracking.experiments.create(sent.name, at.now, location=location, tags=tags)}


def _get(at: Context, sent: OneExperiment) -> Reply:
    return {"experiment": _shown(at.tracking.experiments.get(sent.experiment_id, at.now))}


def _named(at: Context, sent: NamedExperiment) -> Reply:
    return {"experiment": _shown(at.tracking.experiments.named(sent.experiment_name, at.now))}


def _search(at: Context, sent: SearchExperiments) -> Reply:
    search, asked = partial(at.tracking.experiments.search, now=at.now), (sent.filter, sent.order_by, sent.view_type)
    found, token = paged(search, *asked, limit=sent.max_results, token=sent.page_token)
    return {"experiments": [_shown(one) for one in found], **token}


def _update(at: Context, sent: UpdateExperiment) -> Reply:
    at.tracking.experiments.rename(sent.experiment_id, sent.new_name, at.now)
    return {}


def _delete(at: Context, sent: OneExperiment) -> Reply:
    at.tracking.experiments.delete(sent.experiment_id, at.now)
    return {}


def _restore(at: Context, sent: OneExperiment) -> Reply:
    at.tracking.experiments.restore(sent.experiment_id, at.now)
    return {}


def _set_tag(at: Context, sent: ExperimentTag) -> Reply:
    at.tracking.experiments.set_tag(sent.experiment_id, sent.key, sent.value, at.now)
    return {}


def _delete_tag(at: Context, sent: ExperimentTagKey) -> Reply:
    at.tracking.experiments.delete_tag(sent.experiment_id, sent.key, at.now)
    return {}


def _datasets(at: Context, sent: SearchDatasets) -> Reply:
    found = at.tracking.inputs.summaries(sent.experiment_ids)
    shown = [msgspec.to_builtins(one) for one in found]
    return {"dataset_summaries": [{key: value for key, value in one.items() if value is not None} for one in shown]}


def _shown(one: Experiment) -> Reply:
    return {
        "experiment_id": one.id,
        "name": one.name,
        "artifact_location": one.artifact_location,
        "lifecycle_stage": one.lifecycle,
        "creation_time": one.created_at // MILLISECOND,
        "last_update_time": one.updated_at // MILLISECOND,
        "tags": listed(one.tags),
    }


CALLS = (
    Call("POST", "experiments/create", CreateExperiment, _create),
    Call("GET", "experiments/get", OneExperiment, _get),
    Call("GET", "experiments/get-by-name", NamedExperiment, _named),
    Call("POST", "experiments/search", SearchExperiments, _search),
    Call("GET", "experiments/search", SearchExperiments, _search),
    Call("POST", "experiments/update", UpdateExperiment, _update),
    Call("POST", "experiments/delete", OneExperiment, _delete),
    Call("POST", "experiments/restore", OneExperiment, _restore),
    Call("POST", "experiments/set-experiment-tag", ExperimentTag, _set_tag),
    Call("POST", "experiments/delete-experiment-tag", ExperimentTagKey, _delete_tag),
    Call("POST", "experiments/search-datasets", SearchDatasets, _datasets),
)
