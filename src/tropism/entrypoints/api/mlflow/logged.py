"""Calls about logged models: what runs made, before anybody gives it a name and a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from tropism.entrypoints.api.mlflow.calls import (
    MILLISECOND,
    Call,
    KeyValue,
    OneRun,
    Sent,
    Text,
    Whole,
    listed,
    paged,
    tags_of,
)
from tropism.entrypoints.api.mlflow.metrics import shown_metric
from tropism.registry.tracking import RunModel
from tropism.registry.tracking.filters import Order

if TYPE_CHECKING:
    from tropism.entrypoints.api.mlflow.calls import Context
    from tropism.registry.tracking import LoggedModel
    from tropism.registry.tracking.logged_models import ModelStatus

Reply = dict[str, Any]
_STATUSES: dict[str, ModelStatus] = {
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
}
_NAMES = {short: long for long, short in _STATUSES.items()}


class CreateLogged(Sent, kw_only=True):
    experiment_id: Text
    name: Text = ""
    model_type: Text = ""
    source_run_id: Text = ""
    params: tuple[KeyValue, ...] = ()
    tags: tuple[KeyValue, ...] = ()


class OneLogged(Sent, kw_only=True):
    model_id: Text


class GetLogged(OneLogged, kw_only=True):
    allow_deleted: bool = False


class FinishLogged(OneLogged, kw_only=True):
    status: Literal["LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"]


class LoggedTags(OneLogged, kw_only=True):
    tags: tuple[KeyValue, ...] = ()


class LoggedParams(OneLogged, kw_only=True):
    params: tuple[KeyValue, ...] = ()


class LoggedTagKey(OneLogged, kw_only=True):
    tag_key: Text


class OrderBy(Sent, kw_only=True):
    field_name: Text
    ascending: bool = True


class SearchLogged(Sent, kw_only=True):
    experiment_ids: tuple[Text, ...] = ()
    filter: Text = ""
    max_results: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100
    order_by: tuple[OrderBy, ...] = ()
    page_token: Text = ""


class ModelOutput(Sent, kw_only=True):
    model_id: Text
    step: Whole = 0


class LogOutputs(OneRun, kw_only=True):
    models: tuple[ModelOutput, ...] = ()


def _create(at: Context, sent: CreateLogged) -> Reply:
    made = at.tracking.logged.create(
        sent.experiment_id,
        at.now,
        name=sent.name,
        model_type=sent.model_type,
        source_run_id=sent.source_run_id,
        tags=tags_of(sent.tags),
        params=tags_of(sent.params),
    )
    return _reply(made)


def _get(at: Context, sent: GetLogged) -> Reply:
    return _reply(at.tracking.logged.get(sent.model_id, deleted=sent.allow_deleted))


def _finish(at: Context, sent: FinishLogged) -> Reply:
    return _reply(at.tracking.logged.finish(sent.model_id, _STATUSES[sent.status], at.now))


def _delete(at: Context, sent: OneLogged) -> Reply:
    at.tracking.logged.delete(sent.model_id, at.now)
    return {}


def _search(at: Context, sent: SearchLogged) -> Reply:
    asked = (sent.experiment_ids, sent.filter, [_order(one) for one in sent.order_by])
    found, token = paged(at.tracking.logged.search, *asked, limit=sent.max_results, token=sent.page_token)
    return {"models": [_shown(one) for one in found], **token}


def _order(one: OrderBy) -> Order:
    family, _, key = one.field_name.rpartition(".") if one.field_name.count(".") == 1 else ("", "", one.field_name)
    if one.field_name.count(".") > 1:
        family, _, key = one.field_name.partition(".")
    return Order(family, key.strip("`"), not one.ascending)


def _set_tags(at: Context, sent: LoggedTags) -> Reply:
    return _reply(at.tracking.logged.set_tags(sent.model_id, tags_of(sent.tags), at.now))


def _delete_tag(at: Context, sent: LoggedTagKey) -> Reply:
    at.tracking.logged.delete_tag(sent.model_id, sent.tag_key, at.now)
    return {}


def _set_params(at: Context, sent: LoggedParams) -> Reply:
    return _reply(at.tracking.logged.set_params(sent.model_id, tags_of(sent.params), at.now))


def _outputs(at: Context, sent: LogOutputs) -> Reply:
    made = [RunModel(model_id=one.model_id, direction="output", step=one.step) for one in sent.models]
    at.tracking.run_models.note(sent.run, made)
    return {}


def _reply(model: LoggedModel) -> Reply:
    return {"model": _shown(model)}


def _shown(model: LoggedModel) -> Reply:
    return {
        "info": {
            "model_id": model.id,
            "experiment_id": model.experiment_id,
            "name": model.name,
            "creation_timestamp_ms": model.created_at // MILLISECOND,
            "last_updated_timestamp_ms": model.updated_at // MILLISECOND,
            "artifact_uri": model.artifact_uri,
            "status": _NAMES[model.status],
            "model_type": model.model_type,
            "source_run_id": model.source_run_id,
            "tags": listed(model.tags),
        },
        "data": {"params": listed(model.params), "metrics": [shown_metric(one) for one in model.metrics]},
    }


CALLS = (
    Call("POST", "logged-models", CreateLogged, _create),
    Call("POST", "logged-models/search", SearchLogged, _search),
    Call("GET", "logged-models/{model_id}", GetLogged, _get),
    Call("PATCH", "logged-models/{model_id}", FinishLogged, _finish),
    Call("DELETE", "logged-models/{model_id}", OneLogged, _delete),
    Call("PATCH", "logged-models/{model_id}/tags", LoggedTags, _set_tags),
    Call("DELETE", "logged-models/{model_id}/tags/{tag_key:path}", LoggedTagKey, _delete_tag),
    Call("POST", "logged-models/{model_id}/params", LoggedParams, _set_params),
    Call("POST", "runs/outputs", LogOutputs, _outputs),
)
