"""The peer "litserve": one worker process, no batching over requests.

No `from __future__ import annotations` here: LitServe hands the annotation of `request` on to FastAPI, which cannot
find what a string names.
"""

import os
from typing import Any

import lightgbm
import litserve
import numpy as np


class Trees(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002
        self.booster = lightgbm.Booster(model_file=os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any], **_: object) -> np.ndarray[Any, Any]:
        return np.array(request["inputs"])

    def predict(self, x: np.ndarray[Any, Any], **_: object) -> np.ndarray[Any, Any]:
        return self.booster.predict(x)

    def encode_response(self, output: np.ndarray[Any, Any], **_: object) -> dict[str, Any]:
        return {"scores": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Trees(), accelerator="cpu")
    port = int(os.environ["PORT"])
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning", access_log=False)
