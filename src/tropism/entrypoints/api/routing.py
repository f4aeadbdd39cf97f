"""Which requests the data plane answers itself."""

from __future__ import annotations

import re
from typing import NamedTuple

_PREFIX, _SUFFIX = "/v1/tasks/", "/predict"
_STREAMS, _EVENTS = "/v1/features/", "/events"
_READ = ("GET", "HEAD")


class Route(NamedTuple):
    """An own route, the task or the stream that the path names where it does, and the methods that the route takes."""

    name: str
    task: str = ""
    allowed: tuple[str, ...] = ("POST",)
    stream: str = ""


def route(path: str) -> Route | None:
    """The route of a path; None if it is for the control plane.

    >>> route("/v1/tasks/price/predict")
    Route(name='predict', task='price', allowed=('POST',), stream='')
    >>> route("/v1/models") is None
    True
    """
    if path.startswith(_PREFIX) and path.endswith(_SUFFIX):
        task = path[len(_PREFIX) : -len(_SUFFIX)]
        return Route("predict", task) if task and "/" not in task else None
    if path.startswith(_STREAMS) and path.endswith(_EVENTS):
        stream = path[len(_STREAMS) : -len(_EVENTS)]
        return Route("events", stream=stream) if stream and "/" not in stream else None
    return _FIXED.get(path)


_PREDICTING = re.compile(
    r"/v1/tasks/([^/]+)/predict|/v1/models/([^/]+):predict|/v2/models/([^/]+)(?:/versions/[^/]+)?/infer"
    r"|/(?:tasks|models)/([^/]+)/invocations"
)


def predicting(path: str) -> str:
    """The task that a path names to predict with, by whatever protocol; empty if it names none.

    >>> predicting("/v2/models/price/infer"), predicting("/v1/outcomes")
    ('price', '')
    """
    found = _PREDICTING.fullmatch(path)
    return next(filter(None, found.groups()), "") if found is not None else ""


_FIXED = {
    "/v1/outcomes": Route("outcomes"),
    "/api/v1/ml/features/compute": Route("compute"),
    "/healthz": Route("healthz", allowed=_READ),
    "/readyz": Route("readyz", allowed=_READ),
    "/metrics": Route("metrics", allowed=_READ),
}
