"""A task's monitoring in one reply: performance, drift, data quality and open alerts, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tropism.wiring import Platform


def monitored(platform: Platform, name: str, bins: int = 20) -> dict[str, Any]:
    """What the views of performance (`metric`, `windows`, `decay` and so on), of drift (`drift`) and of quality
    (`quality`) tell of a task, and its open alerts.

    Raises:
        UnknownTask: there is none of that name.
    """
    from tropism.loop.viewing.drift import drift
    from tropism.loop.viewing.performance import performance
    from tropism.loop.viewing.quality import quality_of

    sources = platform.sources
    told: dict[str, Any] = msgspec.to_builtins(performance(sources, name, bins=bins))
    return told | {
        "drift": msgspec.to_builtins(drift(sources, name)),
        "quality": msgspec.to_builtins(quality_of(sources, name)),
        "alerts": [msgspec.to_builtins(alert) for alert in sources.alerts.list(name, "open")],
    }
