"""The health report of a model: facts in, a score and one recommendation out; as JSON, as a page and as text."""

from tropism.monitoring.health.facts import HealthFacts
from tropism.monitoring.health.page import page
from tropism.monitoring.health.report import HealthReport, health, to_json
from tropism.monitoring.health.text import text

__all__ = ["HealthFacts", "HealthReport", "health", "page", "text", "to_json"]
