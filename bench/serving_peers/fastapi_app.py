"""The peer "fastapi": a pydantic body, and `Booster.predict`, as its tutorials show. Run by uvicorn."""

from __future__ import annotations

import os

import lightgbm
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

booster = lightgbm.Booster(model_file=os.environ["MODEL"])
app = FastAPI()


class Rows(BaseModel):
    inputs: list[list[float]]


class Scores(BaseModel):
    scores: list[float]


@app.post("/predict")
async def predict(rows: Rows) -> Scores:
    return Scores(scores=booster.predict(np.array(rows.inputs)).tolist())
