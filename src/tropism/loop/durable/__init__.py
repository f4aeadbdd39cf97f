"""Durable workflows: functions made of steps that go on where they stopped when their process was killed."""

from tropism.loop.durable.base import Steps, Workflow, Workflows

__all__ = ["Steps", "Workflow", "Workflows"]
