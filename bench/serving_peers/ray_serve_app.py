"""The peer "ray_serve": one replica behind its HTTP proxy, its access log off."""

from __future__ import annotations

import os
import signal

import lightgbm
import numpy as np
import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

MODEL = os.environ["MODEL"]


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class Trees:
    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=MODEL)

    async def __call__(self, request: Request) -> dict[str, list[float]]:
        rows = await request.json()
        return {"scores": self.booster.predict(np.array(rows["inputs"])).tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="warning")
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])}, logging_config=quiet)
    serve.run(Trees.bind(), route_prefix="/predict", logging_config=quiet)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
