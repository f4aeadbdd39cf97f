"""How often a decision is wrong, and how soon it is right: simulations with late labels, beside other ways to decide.

    python bench/decisions.py [--runs 4000] [--quick] [--peers gbstats ville] [--out bench/results/decisions.json]

Paired challenges (`deciding.paired`): both models score every prediction. Split traffic (`deciding.split`): each unit
sees one variant. Bad canaries (`deciding.canary`). The peers (`deciding.peers`) run from pinned versions
(bench/decision_peers/*.txt) in environments of their own, so PyPI is needed the first time; `--peers none` leaves them
out, and one that cannot be installed has its failure written down. About ten minutes; `--quick` makes 200 runs of each
in less than one, which is too few to tell 5% from 3%.

What is written, each row with the number of its runs:

- `null`: without a difference, the share of runs in which Tropism promotes (`wrong`), and its upper limit of 95%
  confidence. `comparison`: `paired` or `split`; `split`: the treatment's share, none where every prediction is paired.
- `contrasts`: the same of rules that do not hold what they seem to; `limits`: of Tropism, where its assumption fails.
- `power`: with a difference, the share of runs that promote and the median day of those that do, counted from the
  start with the wait for labels. By rule.
- `harm`: requests that a bad canary answers before it is taken off, the median; runs that never stop it count to
  their end.
- `peers`: by `table`, gbstats and ville in the rows of `null` and `power`, and how far our function of gbstats'
  interval is from gbstats itself.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from deciding import canary, paired, peers, split
from deciding.report import Progress
from measuring.environments import NotInstalled

Rows = list[dict[str, Any]]
OURS = "tropism"
QUICK = 200


def measure(runs: int, chosen: list[str], cache: Path) -> dict[str, Any]:
    """All rows, printed as they come. Contrasts of paired challenges, power and harm take a quarter of the runs."""
    few = max(1, runs // 4)
    found = {"seed": split.SEED, "alpha": split.ALPHA, "units_per_day": split.PER_DAY, "runs": runs}
    progress = Progress(_lines(chosen))
    by_table: dict[str, Rows] = {name: [] for name in ("null", "contrasts", "limits", "power", "harm", "peers")}
    measure_split(by_table, runs, few, progress)
    measure_paired(by_table, runs, few, progress)
    for bad in canary.BAD:
        rows = canary.harm_rows(*bad, few)
        progress.line(canary.told(rows))
        by_table["harm"] += rows
    measure_peers(by_table, runs, chosen, cache, progress)
    return {**found, **by_table}


def measure_split(by_table: dict[str, Rows], runs: int, few: int, progress: Progress) -> None:
    for setting in (*split.NULL, *split.RAMPS):
        for goal in split.GOALS if setting in split.NULL else split.GOALS[:1]:
            rows = split.null_rows(setting, goal, runs)
            progress.line(f"{setting.told}, {goal}: " + _told(rows, "wrong"))
            for row in rows:
                if row["rule"] in peers.RULES:
                    by_table["peers"].append(_of_peer("null", row))
                else:
                    by_table["null" if row["rule"] == OURS else "contrasts"].append(row)
    for setting in split.REAL:
        rows = split.power_rows(setting, few)
        progress.line(f"{setting.told}: " + _told(rows, "power"))
        by_table["power"] += rows
        by_table["peers"] += [_of_peer("power", row) for row in rows if row["rule"] in peers.RULES]


def measure_paired(by_table: dict[str, Rows], runs: int, few: int, progress: Progress) -> None:
    for table, rows in (("null", paired.NULL), ("limits", paired.LIMITS)):
        by_table[table] += [paired.null_row(*row, runs, progress=progress) for row in rows]
    by_table["contrasts"] += [
        paired.null_row(*row, few, rule, progress)
        for rule in (paired.no_label_is_negative, paired.labelled_only)
        for row in paired.TILTED
    ]
    by_table["power"] += [paired.power_row(*row, few, progress) for row in paired.REAL]


def measure_peers(by_table: dict[str, Rows], runs: int, chosen: list[str], cache: Path, progress: Progress) -> None:
    for peer in chosen:
        try:
            if peer == "gbstats":
                rows = [peers.gbstats_agrees(cache, [*split.NULL, *split.REAL])]
                progress.line(f"gbstats against our function of it: {rows[0]['largest_difference']:.1e} of the bound")
            else:
                rows = peers.ville_rows(cache, runs, progress)
        except NotInstalled as error:
            rows = [peers.failure(peer, error)]
        by_table["peers"] += rows
        by_table["power"] += [_without_peer(row) for row in rows if row.get("table") == "power"]


def _of_peer(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"peer": "gbstats", "version": peers.version("gbstats"), "table": table, **row}


def _without_peer(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("peer", "version", "table")}


def _told(rows: Rows, what: str) -> str:
    return ", ".join(
        f"{row['rule']} {row[what]:.1%}" + (f" (day {row['median_days']})" if "median_days" in row else "")
        for row in rows
    )


def _lines(chosen: list[str]) -> int:
    of_split = len(split.GOALS) * len(split.NULL) + len(split.RAMPS) + len(split.REAL)
    of_paired = len(paired.NULL) + len(paired.LIMITS) + 2 * len(paired.TILTED) + len(paired.REAL)
    of_ville = len(peers.ville_plan(split.NULL, 1)) + len(peers.ville_plan(split.REAL, 1))
    of_peers = ("gbstats" in chosen) + ("ville" in chosen) * of_ville
    return of_split + of_paired + len(canary.BAD) + of_peers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4_000, help="of each row (4000)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} runs")
    parser.add_argument("--peers", nargs="+", choices=[*peers.PEERS, "none"], default=list(peers.PEERS))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "decisions.json")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: make one at least")
    started = time.perf_counter()
    chosen = [peer for peer in options.peers if peer != "none"]
    results = measure(QUICK if options.quick else options.runs, chosen, options.cache)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{time.perf_counter() - started:.0f} s; written to {options.out}")


if __name__ == "__main__":
    main()
