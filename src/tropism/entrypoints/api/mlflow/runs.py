"""Calls about runs: making, reading, changing and searching them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from tropism.entrypoints.api.mlflow.calls import (
    MILLISECOND,
    Call,
    KeyValue,
    Moment,
    OneRun,
    Sent,
    Text,
    listed,
    paged,
    tags_of,
)
from tropism.entrypoints.api.mlflow.metrics import shown_metric
from tropism.registry.tracking.experiments import DEFAULT, View
from tropism.registry.tracking.runs import Status

if TYPE_CHECKING:
    from tropism.entrypoints.api.mlflow.calls import Context
    from tropism.registry.tracking import DatasetInput, Run, RunInfo

Reply = dict[str, Any]


class CreateRun(Sent, kw_only=True):
    experiment_id: Text = DEFAULT
    user_id: Text = ""
    run_name: Text = ""
    start_time: Moment | None = None
    tags: tuple[KeyValue, ...] = ()


class UpdateRun(OneRun, kw_only=True):
    status: Status | None = None
    end_time: Moment | None = None
    run_name: Text = ""


class SearchRuns(Sent, kw_only=True):
    experiment_ids: tuple[Text, ...] = ()
    filter: Text = ""
    run_view_type: View = "ACTIVE_ONLY"
    max_results: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 1_000
    order_by: tuple[Text, ...] = ()
    page_token: Text = ""


def _create(at: Context, sent: CreateRun) -> Reply:
    started = None if sent.start_time is None else sent.start_time * MILLISECOND
    run = at.tracking.runs.create(
        sent.experiment_id,
        at.now,
        user=sent.user_id,
        name=sent.run_name,
        started_at=started,
        tags=tags_of(sent.tags),
    )
    return {"run": _shown(run)}


def _get(at: Context, sent: OneRun) -> Reply:
    return {"run": _shown(at.tracking.runs.get(sent.run))}


def _update(at: Context, sent: UpdateRun) -> Reply:
    ended = None if sent.end_time is None else sent.end_time * MILLISECOND
    info = at.tracking.runs.update(sent.run, status=sent.status, ended_at=ended, name=sent.run_name)
    return {"run_info": _info(info)}


def _delete(at: Context, sent: OneRun) -> Reply:
    at.tracking.runs.delete(sent.run, at.now)
    return {}


def _restore(at: Context, sent: OneRun) -> Reply:
    at.tracking.runs.restore(sent.run, at.now)
    return {}


def _search(at: Context, sent: SearchRuns) -> Reply:
    asked = (sent.experiment_ids, sent.filter, sent.order_by, sent.run_view_type)
    found, token = paged(at.tracking.search.find, *asked, limit=sent.max_results, token=sent.page_token)
    return {"runs": [_shown(run) for run in found], **token}


def _shown(run: Run) -> Reply:
    return {
        "info": _info(run.info),
        "data": {
            "metrics": [shown_metric(one) for one in run.metrics],
            "params": listed(run.params),
            "tags": listed(run.tags),
        },
        "inputs": {
            "dataset_inputs": [_input(one) for one in run.inputs],
            "model_inputs": [{"model_id": one.model_id} for one in run.models if one.direction == "input"],
        },
        "outputs": {
            "model_outputs": [
                {"model_id": one.model_id, "step": one.step} for one in run.models if one.direction == "output"
            ]
        },
    }


def _info(info: RunInfo) -> Reply:
    ended = {} if info.ended_at is None else {"end_time": info.ended_at // MILLISECOND}
    return {
        "run_id": info.id,
        "run_uuid": info.id,
        "run_name": info.name,
        "experiment_id": info.experiment_id,
        "user_id": info.user_id,
        "status": info.status,
        "start_time": info.started_at // MILLISECOND,
        **ended,
        "artifact_uri": info.artifact_uri,
        "lifecycle_stage": info.lifecycle,
    }


def _input(one: DatasetInput) -> Reply:
    values = msgspec.structs.asdict(one)
    tags = listed(values.pop("tags"))
    return {"tags": tags, "dataset": {key: value for key, value in values.items() if value is not None}}


CALLS = (
    Call("POST", "runs/create", CreateRun, _create),
    Call("GET", "runs/get", OneRun, _get),
    Call("POST", "runs/update", UpdateRun, _update),
    Call("POST", "runs/delete", OneRun, _delete),
    Call("POST", "runs/restore", OneRun, _restore),
    Call("POST", "runs/search", SearchRuns, _search),
)
