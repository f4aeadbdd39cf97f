"""Rules on a task's figures: what they say of the facts at hand."""

from tropism.monitoring.rules.judgement import Judgement, judge, withhold

__all__ = ["Judgement", "judge", "withhold"]
