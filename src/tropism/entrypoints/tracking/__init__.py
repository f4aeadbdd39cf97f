"""Runs, for those who log them and those who compare them. Scripts use it as `tropism.tracking`."""

from tropism.entrypoints.tracking.running import ActiveRun, start_run

__all__ = ["ActiveRun", "start_run"]
