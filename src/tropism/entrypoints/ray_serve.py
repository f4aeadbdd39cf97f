"""The data plane on Ray Serve: replicas on a cluster that others look after.

Each replica is one data plane, with the same application as `tropism run data-plane`: it takes a journal slot of
its own in the project's state folder, follows the registry, and acknowledges nothing that is not in the journal. So
every node that runs a replica must see the project's folder and its state under the same path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.plugins import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.config import Settings
    from tropism.entrypoints.api.asgi import Receive, Scope, Send
    from tropism.entrypoints.api.data_plane import DataPlane

NAME = "tropism"


class Replica:
    """An ASGI application that makes its data plane when the server starts it, and closes it when it is stopped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: DataPlane | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        from tropism.entrypoints.api.assembly import assembled

        async def all_but_the_end(message: Any) -> None:
            if message["type"] != "lifespan.shutdown.complete":
                await send(message)

        with assembled(self._settings) as app:
            self._app = app
            await app(scope, receive, all_but_the_end)
        # Only now is the journal closed: the server may end the process as soon as it hears this.
        await send({"type": "lifespan.shutdown.complete"})


def deployment(settings: Settings, **options: Any) -> Any:
    """A Ray Serve application; `ray.serve.run(deployment(settings))` starts it.

    `options` go to Ray Serve's `Deployment.options`, such as `num_replicas=5` (3 by default) or
    `autoscaling_config={"min_replicas": 1, "max_replicas": 10}`.

    Raises:
        MissingExtra: Ray Serve is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported: nothing is reported to anybody
    serve = require("ray.serve", "ray")
    made = serve.deployment(serve.ingress(_builder(settings))(), name=NAME)
    chosen = {"num_replicas": 3, "max_ongoing_requests": settings.http.max_inflight, **options}
    return made.options(**chosen).bind()


def _builder(settings: Settings) -> Callable[[], Replica]:
    given = msgspec.json.encode(settings).decode()

    def build() -> Replica:  # runs in each replica, which is handed the settings as text
        from tropism.config import Settings as Composed

        return Replica(msgspec.json.decode(given, type=Composed))

    return build
