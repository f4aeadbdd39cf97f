"""Watching a task: its rows and losses counted in windows of time, against what they were."""
