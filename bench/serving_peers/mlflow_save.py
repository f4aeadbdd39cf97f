"""Saves the model for the peers "mlflow", with the signature that MLflow asks for, and "mlflow_inputs", without one.

    python mlflow_save.py MODEL ROWS FOLDER [--without-signature]

Without a signature MLflow takes bare lists and checks nothing: the cheapest request that it answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lightgbm
import mlflow
import pandas as pd

model, rows, folder = map(Path, sys.argv[1:4])
booster = lightgbm.Booster(model_file=model)
frame = pd.DataFrame(json.loads(rows.read_text()), columns=booster.feature_name())
bare = "--without-signature" in sys.argv
signature = None if bare else mlflow.models.infer_signature(frame, booster.predict(frame))
mlflow.lightgbm.save_model(booster, folder, signature=signature)
