"""The figures of bench/serving.py as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from measuring.serving_run import Figures


class Row(NamedTuple):
    """Medians over the rounds: CPU in µs, latencies in ms, `rate` in requests a second."""

    cpu_us_single: float
    cpu_us_row_64: float
    p50_ms_200rps: float
    p99_ms_200rps: float
    rate: float
    p50_ms_saturated: float
    p99_ms_saturated: float
    resident_mb: float


def row(rounds: Sequence[Figures]) -> Row:
    """The medians of some rounds of one server."""
    return Row(
        median(one.cpu_us_single for one in rounds),
        median(one.cpu_us_row_64 for one in rounds),
        median(one.p50_ms_200rps for one in rounds),
        median(one.p99_ms_200rps for one in rounds),
        median(one.single.rate for one in rounds),
        median(one.single.p50_ms for one in rounds),
        median(one.single.p99_ms for one in rounds),
        median(one.resident_mb for one in rounds),
    )


def journal_share(ours: Row, without: Row) -> float:
    """The part of a single row's CPU that goes away with the journal."""
    return (ours.cpu_us_single - without.cpu_us_single) / ours.cpu_us_single


def table(rows: Mapping[str, Row]) -> str:
    """All servers, with their ratios to ours if it is there."""
    lines = [
        f"{'':16} {'1 row':>9} {'to ours':>8} {'row of 64':>10} {'to ours':>8} {'saturated':>10} {'p50':>8} {'p99':>8} "
        f"{'200/s: p50':>11} {'p99':>8} {'memory':>7}",
        f"{'':16} {'CPU µs':>9} {'':8} {'CPU µs':>10} {'':8} {'requests/s':>10} {'ms':>8} {'ms':>8} "
        f"{'ms':>11} {'ms':>8} {'MB':>7}",
    ]
    for name, one in rows.items():
        ours = rows.get("ours", one)
        lines.append(
            f"{name:16} {one.cpu_us_single:9.1f} {one.cpu_us_single / ours.cpu_us_single:7.2f}x "
            f"{one.cpu_us_row_64:10.2f} {one.cpu_us_row_64 / ours.cpu_us_row_64:7.2f}x {one.rate:10.0f} "
            f"{one.p50_ms_saturated:8.2f} {one.p99_ms_saturated:8.2f} "
            f"{one.p50_ms_200rps:11.2f} {one.p99_ms_200rps:8.2f} {one.resident_mb:7.0f}"
        )
    return "\n".join(lines)


def document(rows: Mapping[str, Row], peers: Sequence[str], limits: Sequence[str]) -> dict[str, Any]:
    """The part of the results file that is figures. A server that failed is not in it."""
    found = {name: _figures(one) for name, one in rows.items()}
    ours: dict[str, float] = dict(found.get("ours", {}))
    if "ours" in rows and "ours_no_journal" in rows:
        ours["journal_share"] = round(journal_share(rows["ours"], rows["ours_no_journal"]), 4)
    return {
        "ours": ours,
        "peers": {name: found[name] for name in peers if name in found},
        "limits": {name: found[name] for name in limits if name in found},
    }


def _figures(one: Row) -> dict[str, float]:
    return {
        "cpu_us_single": round(one.cpu_us_single, 2),
        "cpu_us_row_64": round(one.cpu_us_row_64, 3),
        "p99_ms_200rps": round(one.p99_ms_200rps, 3),
    }
