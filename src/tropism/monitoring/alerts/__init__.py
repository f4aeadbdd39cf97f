"""Alerts: when a rule fires and when it ends, who was told, silences and acknowledgements."""

from tropism.monitoring.alerts.alert import Alert, Silence
from tropism.monitoring.alerts.states import Changes
from tropism.monitoring.alerts.store import AlertStore

__all__ = ["Alert", "AlertStore", "Changes", "Silence"]
