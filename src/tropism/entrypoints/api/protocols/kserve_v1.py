"""KServe's first protocol: `POST /v1/models/{name}:predict`.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
The other paths of that protocol, `GET /v1/models` and `GET /v1/models/{name}`, are those of our own registry.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from tropism.core.errors import Fault, InvalidInput, TooLarge, TropismError
from tropism.core.faults import Faults, shown
from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.protocols.base import Found
from tropism.entrypoints.api.protocols.open_inference_compression import decompressed
from tropism.entrypoints.api.protocols.open_inference_errors import error_reply, wrong_method
from tropism.serving.parsing import parse
from tropism.serving.predictions import live
from tropism.serving.requests import Ask
from tropism.serving.scores import prediction

if TYPE_CHECKING:
    from tropism.entrypoints.api.protocols.base import Core, Request
    from tropism.serving.snapshot import Deployment

_PREFIX, _SUFFIX = "/v1/models/", ":predict"
_FORM = 'send {"instances": [...]}: objects of feature and value, or lists of values in the order of the features'


class KServeV1:
    """Answers `:predict`. Its errors have the form `{"error": "..."}`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def find(self, method: str, path: str) -> Found | None:
        """What answers a path; None if it is not one of `:predict`."""
        if not (path.startswith(_PREFIX) and path.endswith(_SUFFIX)):
            return None
        name = path[len(_PREFIX) : -len(_SUFFIX)]
        if not name or "/" in name:
            return None
        return Found(("POST",), partial(self._told, name)) if method == "POST" else Found((method,), _wrong)

    def refusal(self, error: TropismError) -> Reply:
        """An error in the protocol's form, whoever met it."""
        return error_reply(error)

    async def _told(self, name: str, request: Request) -> Reply:
        try:
            return await self._predict(name, request)
        except TropismError as error:
            return self.refusal(error)

    async def _predict(self, name: str, request: Request) -> Reply:
        deployment = live(self._core.holder).deployment(name)
        settings = self._core.settings
        body = decompressed(request.body, request.header(b"content-encoding"), settings.max_body_bytes)
        asks = read_instances(parse(body), deployment, settings.max_rows)
        scored = await self._core.predictions.score(deployment, asks, started=request.started)
        content: dict[str, Any] = {"predictions": [prediction(deployment.task, one.scores) for one in scored.events]}
        if parse_qs(request.query.decode("latin-1")).get("ids") == ["true"]:
            content["prediction_ids"] = [one.id for one in scored.events]
        return Reply(200, msgspec.json.encode(content))


async def _wrong(request: Request) -> Reply:
    return wrong_method(request.method, ("POST",))


def read_instances(content: Any, deployment: Deployment, most: int) -> list[Ask]:
    """The rows of a request. An instance is an object of feature and value, or a list in the declared order.

    Raises:
        TooLarge: more than `most` rows.
        MissingFeature, UnknownFeature, InvalidInput: names every fault of every row.
    """
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise InvalidInput("the request has no list of instances", Fault("instances", shown(instances), _FORM))
    if len(instances) > most:
        fault = Fault("instances", str(len(instances)), f"predict in batches of at most {most} (max_rows)")
        raise TooLarge(f"{len(instances)} rows are too many for one request", fault)
    names = deployment.task.asked.feature_names
    faults = Faults()
    asks = []
    for index, instance in enumerate(instances):
        where = f"instances[{index}]"
        if isinstance(instance, list) and len(instance) == len(names):
            instance = dict(zip(names, instance, strict=True))
        if isinstance(instance, dict):
            asks.append(Ask(*deployment.rows.read(instance, f"{where}.", faults)))
        else:
            value = f"{len(instance)} values" if isinstance(instance, list) else shown(instance)
            fix = f"send an object, or a list of {len(names)} values: {', '.join(names)[:400]}"
            faults.add(InvalidInput, f"{where} is not a row", where, value, fix)
    faults.check()
    return asks
