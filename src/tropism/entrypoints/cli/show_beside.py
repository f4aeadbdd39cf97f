"""What is shown of experiments whose treatments answer nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import NotFound
from tropism.entrypoints.cli.tables import print_table
from tropism.registry.shadowing import challenge_ids

if TYPE_CHECKING:
    from tropism.registry.experiments import Trial
    from tropism.wiring import Platform

_FIGURES = ("rows", "failures", "dropped", "differing", "difference", "largest", "p99", "control_p99")


def beside_so_far(platform: Platform, trial: Trial) -> dict[str, Any] | None:
    """Of each treatment how its challenge stands and, where requests are mirrored, what data planes measured; None
    where units are split, or before the start."""
    ids = challenge_ids(trial.spec, trial.started_at)
    if not ids:
        return None
    found: dict[str, Any] = {}
    for variant, made in ids.items():
        try:
            found[variant] = {"challenge": made, "status": platform.registry.challenges.get(made).status}
        except NotFound:
            found[variant] = {"challenge": made, "status": "unknown"}
    if trial.spec.mode == "mirrored":
        from tropism.loop.mirrored import live_figures

        for variant, live in live_figures(platform.cohorts, trial, platform.clock.now()).items():
            found[variant]["live"] = msgspec.to_builtins(live)
    return found


def print_beside(found: dict[str, Any]) -> None:
    """A row for each treatment. Latencies are in seconds; scores differ by `difference` on average."""
    mirrored = any("live" in one for one in found.values())
    rows = [
        (variant, one["status"], *((one["live"][name] for name in _FIGURES) if "live" in one else ()))
        for variant, one in found.items()
    ]
    names = [name.replace("_", " ") for name in _FIGURES] if mirrored else []
    print_table(("treatment", "challenge", *names), rows)
