"""Parts of the traffic that fare worse than the rest: declared ones, and those found by search."""

from tropism.monitoring.segments.report import Segment, segments, worst
from tropism.monitoring.segments.rules import check_segments

__all__ = ["Segment", "check_segments", "segments", "worst"]
