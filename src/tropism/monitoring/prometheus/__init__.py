"""What monitoring knows as Prometheus metrics, and rules as Prometheus and Alertmanager YAML."""

from tropism.monitoring.prometheus.gauges import Known, gauges
from tropism.monitoring.prometheus.routing import alertmanager
from tropism.monitoring.prometheus.rules import export

__all__ = ["Known", "alertmanager", "export", "gauges"]
