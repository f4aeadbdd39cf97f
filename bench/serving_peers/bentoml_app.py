"""The peer "bentoml": a service with one worker. Run by `bentoml serve`.

`async def`, although nothing is awaited: without it each request goes to a thread and back, for half as much again.
"""

from __future__ import annotations

import os

import bentoml
import lightgbm
import numpy as np


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Trees:
    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["MODEL"])

    @bentoml.api
    async def predict(self, inputs: np.ndarray) -> np.ndarray:
        return self.booster.predict(inputs)
