"""Calls about versions of registered models."""

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
from tropism.registry.tracking.sources import model_id_of

if TYPE_CHECKING:
    from tropism.entrypoints.api.mlflow.calls import Context
    from tropism.registry.tracking import RegisteredVersion

Reply = dict[str, Any]


class CreateVersion(Sent, kw_only=True):
    name: Text
    source: Text
    run_id: Text = ""
    run_link: Text = ""
    model_id: Text = ""
    description: Text = ""
    tags: tuple[KeyValue, ...] = ()


class OneVersion(Sent, kw_only=True):
    name: Text
    version: Version


class DescribedVersion(OneVersion, kw_only=True):
    description: Text = ""


class VersionTag(OneVersion, kw_only=True):
    key: Text
    value: Text = ""


class VersionTagKey(OneVersion, kw_only=True):
    key: Text


class SearchVersions(Sent, kw_only=True):
    filter: Text = ""
    max_results: Annotated[int, msgspec.Meta(ge=1, le=200_000)] = 10_000
    order_by: tuple[Text, ...] = ()
    page_token: Text = ""


def shown_version(one: RegisteredVersion) -> Reply:
    """A version as the protocol shows it. It is ready as soon as it is there, and in no stage."""
    return {
        "name": one.name,
        "version": str(one.version),
        "creation_timestamp": one.created_at // MILLISECOND,
        "last_updated_timestamp": one.updated_at // MILLISECOND,
        "current_stage": "None",
        "description": one.description,
        "source": one.source,
        "run_id": one.run_id,
        "run_link": one.run_link,
        "status": "READY",
        **({"model_id": found} if (found := model_id_of(one.source)) else {}),
        "tags": listed(one.tags),
        "aliases": list(one.aliases),
    }


def _create(at: Context, sent: CreateVersion) -> Reply:
    """A version of a logged model is one of the run that made it."""
    run_id = sent.run_id
    if sent.model_id and not run_id:
        run_id = at.tracking.logged.get(sent.model_id).source_run_id
    made = at.tracking.versions.create(
        sent.name,
        sent.source,
        at.now,
        run_id=run_id,
        run_link=sent.run_link,
        description=sent.description,
        tags=tags_of(sent.tags),
    )
    return {"model_version": shown_version(made)}


def _get(at: Context, sent: OneVersion) -> Reply:
    return {"model_version": shown_version(at.tracking.versions.get(sent.name, sent.version))}


def _describe(at: Context, sent: DescribedVersion) -> Reply:
    changed = at.tracking.versions.describe(sent.name, sent.version, sent.description, at.now)
    return {"model_version": shown_version(changed)}


def _delete(at: Context, sent: OneVersion) -> Reply:
    at.tracking.versions.delete(sent.name, sent.version, at.now)
    return {}


def _search(at: Context, sent: SearchVersions) -> Reply:
    asked = (sent.filter, sent.order_by)
    found, token = paged(at.tracking.versions.search, *asked, limit=sent.max_results, token=sent.page_token)
    return {"model_versions": [shown_version(one) for one in found], **token}


def _uri(at: Context, sent: OneVersion) -> Reply:
    return {"artifact_uri": at.tracking.versions.get(sent.name, sent.version).source}


def _set_tag(at: Context, sent: VersionTag) -> Reply:
    at.tracking.versions.set_tag(sent.name, sent.version, sent.key, sent.value, at.now)
    return {}


def _delete_tag(at: Context, sent: VersionTagKey) -> Reply:
    at.tracking.versions.delete_tag(sent.name, sent.version, sent.key, at.now)
    return {}


CALLS = (
    Call("POST", "model-versions/create", CreateVersion, _create),
    Call("GET", "model-versions/get", OneVersion, _get),
    Call("PATCH", "model-versions/update", DescribedVersion, _describe),
    Call("DELETE", "model-versions/delete", OneVersion, _delete),
    Call("GET", "model-versions/search", SearchVersions, _search),
    Call("GET", "model-versions/get-download-uri", OneVersion, _uri),
    Call("POST", "model-versions/set-tag", VersionTag, _set_tag),
    Call("DELETE", "model-versions/delete-tag", VersionTagKey, _delete_tag),
)
