"""Runs of trainings: where they are written, the project's own store first."""
