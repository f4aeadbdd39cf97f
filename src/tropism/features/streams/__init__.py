"""Events of streams: read and checked as they are sent, and as rows of the lake."""

from __future__ import annotations

from tropism.features.streams.reading import EventReader, ReadEvents, RejectedEvent
from tropism.features.streams.tables import events_table, lake_schema

__all__ = ["EventReader", "ReadEvents", "RejectedEvent", "events_table", "lake_schema"]
