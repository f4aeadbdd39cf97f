"""Tropism serves models, joins outcomes that come days later, and replaces a model only on evidence.

A project declares its tasks with the names handed out here:

>>> from tropism import Feature, Task
>>> Task(name="price", kind="binary", target="up", features=(Feature("demand"),)).metric_name
'brier'
"""

from tropism.core.bandit import BanditSettings
from tropism.core.experiment import Experiment, Namespace, Ramp, Variant
from tropism.core.flag import Flag, FlagEnvironment, FlagRule, Prerequisite
from tropism.core.governance import (
    ApprovalGate,
    ChampionGate,
    DataGate,
    DriftGate,
    FairnessGate,
    Governance,
    IntegrationGate,
    LatencyGate,
    Level,
    LoadGate,
    MetricGate,
    OwnGate,
    RobustnessGate,
    SecurityGate,
    SignatureGate,
    TimeGate,
)
from tropism.core.metric import Metric
from tropism.core.monitoring import Monitoring, Rule
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Gate, Policy, Task, Triggers

__all__ = [
    "ApprovalGate",
    "BanditSettings",
    "ChampionGate",
    "DataGate",
    "DriftGate",
    "Experiment",
    "FairnessGate",
    "Feature",
    "Flag",
    "FlagEnvironment",
    "FlagRule",
    "Gate",
    "Governance",
    "IntegrationGate",
    "JournalPolicy",
    "LatencyGate",
    "Level",
    "LoadGate",
    "Metric",
    "MetricGate",
    "Monitoring",
    "Namespace",
    "OwnGate",
    "Policy",
    "Prerequisite",
    "Ramp",
    "RobustnessGate",
    "Rule",
    "SecurityGate",
    "SignatureGate",
    "Task",
    "TimeGate",
    "Triggers",
    "Variant",
    "__version__",
]

__version__ = "0.1.0"
