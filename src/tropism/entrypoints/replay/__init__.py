"""Replays a historical file through the platform, beside reference policies, and reports what happened."""
