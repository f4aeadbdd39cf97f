"""Tropism serves models, joins outcomes that come days later, and replaces a model only on evidence.

A project declares its tasks with the names handed out here:

>>> from tropism import Feature, Task
>>> Task(name="price", kind="binary", target="up", features=(Feature("demand"),)).metric_name
'brier'
"""

from tropism.core.monitoring import Monitoring, Rule
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Gate, Policy, Task, Triggers

__all__ = ["Feature", "Gate", "JournalPolicy", "Monitoring", "Policy", "Rule", "Task", "Triggers", "__version__"]

__version__ = "0.1.0"
