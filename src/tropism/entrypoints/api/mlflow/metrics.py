"""Calls that log: metrics, params, tags, data sets; and histories of metrics."""

from __future__ import annotations

import math
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
    Whole,
    paged,
    tags_of,
)
from tropism.registry.tracking import DatasetInput, Metric, RunModel

if TYPE_CHECKING:
    from tropism.entrypoints.api.mlflow.calls import Context

Reply = dict[str, Any]
_PAGE = 25_000
_ABOUT = ("model_id", "run_id", "dataset_name", "dataset_digest")


class MetricValue(Sent, kw_only=True):
    key: Text
    value: float
    timestamp: Moment
    step: Whole = 0
    model_id: Text = ""
    dataset_name: Text = ""
    dataset_digest: Text = ""


class LogMetric(OneRun, kw_only=True):
    key: Text
    value: float
    timestamp: Moment
    step: Whole = 0
    model_id: Text = ""
    dataset_name: Text = ""
    dataset_digest: Text = ""


class LogParam(OneRun, kw_only=True):
    key: Text
    value: Text = ""


class TagKey(OneRun, kw_only=True):
    key: Text


class LogBatch(OneRun, kw_only=True):
    metrics: tuple[MetricValue, ...] = ()
    params: tuple[KeyValue, ...] = ()
    tags: tuple[KeyValue, ...] = ()


class Dataset(Sent, kw_only=True):
    name: Text
    digest: Text
    source_type: Text = ""
    source: Text = ""
    schema: Text | None = None
    profile: Text | None = None


class TaggedDataset(Sent, kw_only=True):
    dataset: Dataset
    tags: tuple[KeyValue, ...] = ()


class ModelInput(Sent, kw_only=True):
    model_id: Text


class LogInputs(OneRun, kw_only=True):
    datasets: tuple[TaggedDataset, ...] = ()
    models: tuple[ModelInput, ...] = ()


class GetHistory(OneRun, kw_only=True):
    metric_key: Text
    page_token: Text = ""
    max_results: Annotated[int, msgspec.Meta(ge=1, le=_PAGE)] = _PAGE


def shown_metric(one: Metric) -> Reply:
    """A metric as the protocol shows it: what JSON has no number for is a text, as in Protocol Buffers' JSON.

    >>> shown_metric(Metric(key="loss", value=math.nan, at=2_000, step=1))
    {'key': 'loss', 'value': 'NaN', 'timestamp': 2, 'step': 1}
    """
    value: float | str = one.value
    if not math.isfinite(one.value):
        value = "NaN" if math.isnan(one.value) else "Infinity" if one.value > 0 else "-Infinity"
    about = {name: found for name in _ABOUT if (found := getattr(one, name))}
    return {"key": one.key, "value": value, "timestamp": one.at // MILLISECOND, "step": one.step, **about}


def _metric(one: MetricValue | LogMetric) -> Metric:
    return Metric(
        key=one.key,
        value=one.value,
        at=one.timestamp * MILLISECOND,
        step=one.step,
        model_id=one.model_id,
        dataset_name=one.dataset_name,
        dataset_digest=one.dataset_digest,
    )


def _log_metric(at: Context, sent: LogMetric) -> Reply:
    at.tracking.batches.log(sent.run, metrics=[_metric(sent)])
    return {}


def _log_param(at: Context, sent: LogParam) -> Reply:
    at.tracking.batches.log(sent.run, params=[(sent.key, sent.value)])
    return {}


def _set_tag(at: Context, sent: LogParam) -> Reply:
    at.tracking.batches.log(sent.run, tags={sent.key: sent.value})
    return {}


def _delete_tag(at: Context, sent: TagKey) -> Reply:
    at.tracking.batches.delete_tag(sent.run, sent.key)
    return {}


def _log_batch(at: Context, sent: LogBatch) -> Reply:
    metrics, params = [_metric(one) for one in sent.metrics], [(one.key, one.value) for one in sent.params]
    at.tracking.batches.log(sent.run, metrics=metrics, params=params, tags=tags_of(sent.tags))
    return {}


def _log_inputs(at: Context, sent: LogInputs) -> Reply:
    inputs = [DatasetInput(**msgspec.structs.asdict(one.dataset), tags=tags_of(one.tags)) for one in sent.datasets]
    at.tracking.batches.log_inputs(sent.run, inputs)
    if sent.models:
        at.tracking.run_models.note(
            sent.run, [RunModel(model_id=one.model_id, direction="input") for one in sent.models]
        )
    return {}


def _history(at: Context, sent: GetHistory) -> Reply:
    asked = (sent.run, sent.metric_key)
    found, token = paged(at.tracking.metrics.history, *asked, limit=sent.max_results, token=sent.page_token)
    return {"metrics": [shown_metric(one) for one in found], **token}


CALLS = (
    Call("POST", "runs/log-metric", LogMetric, _log_metric),
    Call("POST", "runs/log-parameter", LogParam, _log_param),
    Call("POST", "runs/log-batch", LogBatch, _log_batch),
    Call("POST", "runs/log-inputs", LogInputs, _log_inputs),
    Call("POST", "runs/set-tag", LogParam, _set_tag),
    Call("POST", "runs/delete-tag", TagKey, _delete_tag),
    Call("GET", "metrics/get-history", GetHistory, _history),
)
