"""Calls about registered models and their aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from tropism.entrypoints.api.mlflow.calls import (
    MILLISECOND,
    Call,
    KeyValue,
    Sent,
    Text,
    Version,
    listed,
    paged,
    tags_of,
)
from tropism.entrypoints.api.mlflow.versions import shown_version

if TYPE_CHECKING:
    from tropism.entrypoints.api.mlflow.calls import Context
    from tropism.registry.tracking import RegisteredModel

Reply = dict[str, Any]


class OneModel(Sent, kw_only=True):
    name: Text


class DescribedModel(OneModel, kw_only=True):
    description: Text = ""


class CreateModel(DescribedModel, kw_only=True):
    tags: tuple[KeyValue, ...] = ()


class RenameModel(OneModel, kw_only=True):
    new_name: Text


class SearchModels(Sent, kw_only=True):
    filter: Text = ""
    max_results: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100
    order_by: tuple[Text, ...] = ()
    page_token: Text = ""


class LatestVersions(OneModel, kw_only=True):
    stages: tuple[Text, ...] = ()


class ModelTag(KeyValue, kw_only=True):
    name: Text


class ModelTagKey(OneModel, kw_only=True):
    key: Text


class ModelAlias(OneModel, kw_only=True):
    alias: Text


class SetAlias(ModelAlias, kw_only=True):
    version: Version


def _create(at: Context, sent: CreateModel) -> Reply:
    tags = tags_of(sent.tags)
    return _reply(at.tracking.models.create(sent.name, at.now, description=sent.description, tags=tags))


def _get(at: Context, sent: OneModel) -> Reply:
    return _reply(at.tracking.models.get(sent.name))


def _rename(at: Context, sent: RenameModel) -> Reply:
    return _reply(at.tracking.models.rename(sent.name, sent.new_name, at.now))


def _describe(at: Context, sent: DescribedModel) -> Reply:
    return _reply(at.tracking.models.describe(sent.name, sent.description, at.now))


def _delete(at: Context, sent: OneModel) -> Reply:
    at.tracking.models.delete(sent.name, at.now)
    return {}


def _search(at: Context, sent: SearchModels) -> Reply:
    asked = (sent.filter, sent.order_by)
    found, token = paged(at.tracking.models.search, *asked, limit=sent.max_results, token=sent.page_token)
    return {"registered_models": [_shown(one) for one in found], **token}


def _latest(at: Context, sent: LatestVersions) -> Reply:
    """Versions have no stages here, so that only the stage `None` has any."""
    found = at.tracking.versions.latest(sent.name)
    wanted = not sent.stages or any(stage.lower() == "none" for stage in sent.stages)
    return {"model_versions": [shown_version(found)] if found is not None and wanted else []}


def _set_tag(at: Context, sent: ModelTag) -> Reply:
    at.tracking.models.set_tag(sent.name, sent.key, sent.value, at.now)
    return {}


def _delete_tag(at: Context, sent: ModelTagKey) -> Reply:
    at.tracking.models.delete_tag(sent.name, sent.key, at.now)
    return {}


def _set_alias(at: Context, sent: SetAlias) -> Reply:
    at.tracking.aliases.set(sent.name, sent.alias, sent.version, at.now)
    return {}


def _delete_alias(at: Context, sent: ModelAlias) -> Reply:
    at.tracking.aliases.delete(sent.name, sent.alias, at.now)
    return {}


def _by_alias(at: Context, sent: ModelAlias) -> Reply:
    return {"model_version": shown_version(at.tracking.aliases.get(sent.name, sent.alias))}


def _reply(model: RegisteredModel) -> Reply:
    return {"registered_model": _shown(model)}


def _shown(model: RegisteredModel) -> Reply:
    return {
        "name": model.name,
        "creation_timestamp": model.created_at // MILLISECOND,
        "last_updated_timestamp": model.updated_at // MILLISECOND,
        "description": model.description,
        "latest_versions": [] if model.latest is None else [shown_version(model.latest)],
        "tags": listed(model.tags),
        "aliases": [{"alias": alias, "version": str(version)} for alias, version in model.aliases.items()],
    }


CALLS = (
    Call("POST", "registered-models/create", CreateModel, _create),
    Call("GET", "registered-models/get", OneModel, _get),
    Call("POST", "registered-models/rename", RenameModel, _rename),
    Call("PATCH", "registered-models/update", DescribedModel, _describe),
    Call("DELETE", "registered-models/delete", OneModel, _delete),
    Call("GET", "registered-models/search", SearchModels, _search),
    Call("POST", "registered-models/get-latest-versions", LatestVersions, _latest),
    Call("GET", "registered-models/get-latest-versions", LatestVersions, _latest),
    Call("POST", "registered-models/set-tag", ModelTag, _set_tag),
    Call("DELETE", "registered-models/delete-tag", ModelTagKey, _delete_tag),
    Call("POST", "registered-models/alias", SetAlias, _set_alias),
    Call("DELETE", "registered-models/alias", ModelAlias, _delete_alias),
    Call("GET", "registered-models/alias", ModelAlias, _by_alias),
)
