"""Experiments on split traffic: each unit saw one variant. What was measured, and what follows from it."""
