"""Tropism serves models, joins outcomes that come days later, and replaces a model only on evidence.

A project declares its tasks with the names handed out here:

>>> from tropism import Feature, Task
>>> Task(name="price", kind="binary", target="up", features=(Feature("demand"),)).metric_name
'brier'
"""

from tropism.core.experiment import Experiment, Namespace, Ramp, Variant
from tropism.core.metric import Metric
from tropism.core.monitoring import Monitoring, Rule
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Gate, Policy, Task, Triggers

__all__ = [
    "Experiment",
    "Feature",
    "Gate",
    "JournalPolicy",
    "Metric",
    "Monitoring",
    "Namespace",
    "Policy",
    "Ramp",
    "Rule",
    "Task",
    "Triggers",
    "Variant",
    "__version__",
]

__version__ = "0.1.0"
