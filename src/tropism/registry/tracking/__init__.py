"""Run tracking: experiments, runs, metrics, params, tags, files, and models registered over MLflow's protocol."""

from tropism.registry.tracking.experiments import Experiment
from tropism.registry.tracking.inputs import DatasetInput
from tropism.registry.tracking.logged_models import LoggedModel
from tropism.registry.tracking.metrics import Metric
from tropism.registry.tracking.model_aliases import PromotionPolicy
from tropism.registry.tracking.model_versions import RegisteredVersion
from tropism.registry.tracking.models import RegisteredModel
from tropism.registry.tracking.run_models import RunModel
from tropism.registry.tracking.runs import Run, RunInfo
from tropism.registry.tracking.tracking import Tracking

__all__ = [
    "DatasetInput",
    "Experiment",
    "LoggedModel",
    "Metric",
    "PromotionPolicy",
    "RegisteredModel",
    "RegisteredVersion",
    "Run",
    "RunInfo",
    "RunModel",
    "Tracking",
]
