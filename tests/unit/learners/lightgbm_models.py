"""Small LightGBM models of every sort that is stored, and rows that lie where their splits do."""

from __future__ import annotations

import re
from typing import NamedTuple

import lightgbm
import numpy as np

from tropism.learners.base import Floats, Shape
from tropism.learners.lightgbm_text import Ensemble, audit, canonical, column_names
from tropism.learners.native_booster import NativeBooster

WIDTH = 5
_EDGES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, float(np.float32(1e-35)), -float(np.float32(1e-35)), 2e-35, -2e-35]
_CATEGORIES = [
    -1.0,
    -0.999,
    -0.5,
    0.999,
    1.5,
    31.0,
    32.0,
    63.9,
    64.0,
    2.0**31 - 1,
    2.0**31,
    2.0**32,
    2.0**33 + 1,
    1e300,
]


class Trained(NamedTuple):
    text: bytes
    shape: Shape

    def audited(self) -> Ensemble:
        return audit(self.text, self.shape)

    def native(self) -> NativeBooster:
        return NativeBooster(self.text, self.shape.width, self.shape.outputs)


def train(kind: str, seed: int, rounds: int = 12, **settings: object) -> Trained:
    """A model of `kind` on five columns, of which the fourth holds small categories and the last larger ones."""
    chance = np.random.default_rng(seed)
    matrix = chance.normal(size=(400, WIDTH))
    matrix[:, 1] = np.round(matrix[:, 1], 1)
    matrix[:, 2] = np.exp(4 * matrix[:, 2])
    matrix[:, 3] = chance.integers(0, 6, 400)
    matrix[:, 4] = chance.integers(0, 90, 400)
    matrix[chance.random(matrix.shape) < 0.1] = np.nan
    matrix[chance.random(matrix.shape) < 0.1] = 0.0
    signal = np.nan_to_num(matrix[:, 0]) + (matrix[:, 3] == 2) + (matrix[:, 4] % 3 == 0) + np.isnan(matrix[:, 1])
    signal += 0.5 * chance.normal(size=400)
    labels = {"binary": signal > 1, "multiclass": np.digitize(signal, [0.3, 1.2]), "regression": signal}[kind]
    outputs = 3 if kind == "multiclass" else 1
    parameters = {
        "objective": kind,
        "num_class": outputs,
        "min_data_in_leaf": 5,
        "min_data_per_group": 5,
        "cat_smooth": 1.0,
        "bagging_fraction": 0.6,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
        **settings,
    }
    names = column_names(WIDTH)
    rows = lightgbm.Dataset(matrix, labels, feature_name=names, categorical_feature=names[3:], params=parameters)
    text = lightgbm.train(parameters, rows, rounds).model_to_string()
    return Trained(canonical(text), Shape(kind, outputs, WIDTH))  # type: ignore[arg-type]


def rows(text: bytes, count: int, seed: int) -> Floats:
    """Rows (count, 5) of thresholds, the numbers next to them, edges of numbers and of categories, and of others."""
    chance = np.random.default_rng(seed)
    found = re.findall(rb"^threshold=(.*)$", text, re.MULTILINE)
    splits = np.array(b" ".join(found).split() or [b"0"], np.float64)
    with np.errstate(over="ignore"):  # where missing values are split off, the threshold is the largest number
        sides = [np.nextafter(splits, -np.inf), np.nextafter(splits, np.inf)]
    pool = np.concatenate(
        [
            splits,
            *sides,
            np.repeat(_EDGES, 4),
            np.repeat(_CATEGORIES, 4),
            chance.normal(size=len(splits)),
            chance.integers(-2, 100, len(splits)).astype(np.float64),
        ]
    )
    return chance.choice(pool, (count, WIDTH))
