"""Aggregates over windows of events: offline over a history, online from tiles, from one definition."""

from __future__ import annotations

from tropism.features.windows.offline import window_values
from tropism.features.windows.online import WindowRead, WindowStore

__all__ = ["WindowRead", "WindowStore", "window_values"]
