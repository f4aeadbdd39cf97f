"""Trainings as runs: what each tells, and its drawings."""
