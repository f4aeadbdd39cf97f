"""Alarms on real streams: when, and what had changed; and what refitting the model at each alarm would have done.

    python bench/drift_streams.py FOLDER [--out FILE]

FOLDER holds electricity.csv, the three employment_MA files, gold_headlines.tsv and bitcoin_otc.csv; what is missing
is skipped. Each rule is a policy: a logistic regression is fit on the first rows of a stream, predicts window after
window, and is fit again at each alarm, on as many of the newest labelled rows; the rule then starts afresh with these
as its reference. Labels come late, as drift_peers/real.py says. `alarms`: how many, of so many `windows`; `loss`:
mean log loss over all windows; `helped`: of the alarms, the share after which the next window's loss was lower than
with the model that was there. Beside: never, and at every window.

Rules: ours on the features, and on the losses; a Kolmogorov-Smirnov test of each number at 5% (`ks`) and with
Bonferroni's correction; Evidently's default for large references, computed here by its formula (Wasserstein distance
of a number in standard deviations, Jensen-Shannon distance of a category, 0.1), of any column or of half of them;
river's detectors with their defaults on the errors, or on the losses cut at 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from drift_peers.contestants import HERE
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tropism.monitoring.concept import NAMES, fresh

sys.path.append(str(HERE))
from drift_peers import ours, real

RESULTS = Path(__file__).parent / "results" / "drift_streams.json"
LEVEL, FAR = 0.05, 0.1
FALSE_ALARM = 1_000
"""Windows between two false alarms of ours; the streams have some hundred windows each."""
LABELS_APART = 1_000_000


class Seen(NamedTuple):
    """Of one window: its rows, and what the labels that came meanwhile say of the model in force."""

    rows: pa.Table
    losses: Any
    errors: Any


Rule = Callable[[Seen], str | None]
"""What changed, where it raises an alarm."""


def on_features(rows: pa.Table, _: Any) -> Rule:
    watching = ours.watches(rows, FALSE_ALARM)()

    def rule(seen: Seen) -> str | None:
        alarm, named = next(watching.read(watching.counted(seen.rows)))
        return named if alarm else None

    return rule


def on_losses(_: pa.Table, losses: Any) -> Rule:
    read = ours.watches_losses(losses.tolist(), LABELS_APART)()
    return lambda seen: "loss" if read(seen.losses).any() else None


def of_columns(distance: Callable[[Any, Any], float], far: Callable[[list[float]], bool]) -> Callable[..., Rule]:
    def make(rows: pa.Table, _: Any) -> Rule:
        names = rows.column_names

        def rule(seen: Seen) -> str | None:
            found = [distance(rows[name].to_numpy(), seen.rows[name].to_numpy()) for name in names]
            return names[int(np.argmax(found))][2:] if far(found) else None

        return rule

    return make


def evidence(old: Any, new: Any) -> float:
    """-log p; categories are left out."""
    if old.dtype == object:
        return 0.0
    return float(-np.log(max(ks_2samp(old, new, method="asymp").pvalue, 1e-300)))


def apart(old: Any, new: Any) -> float:
    if old.dtype == object:
        values = sorted(set(old) | set(new))
        shares = [[float((column == value).mean()) for value in values] for column in (old, new)]
        return float(jensenshannon(*shares))
    return float(wasserstein_distance(old, new) / max(old.std(), 1e-3))


def of_river(name: str) -> Callable[..., Rule]:
    def make(*_: Any) -> Rule:
        detector = fresh(name)
        bits = name in ("ddm", "eddm")

        def rule(seen: Seen) -> str | None:
            read = seen.errors if bits else np.minimum(seen.losses, 1.0)
            return "loss" if any(detector.update(float(one)) for one in read) else None

        return rule

    return make


RULES: dict[str, Callable[..., Rule]] = {
    "never": lambda *_: lambda _: None,
    "always": lambda *_: lambda _: "",
    "tropism, features": on_features,
    "tropism, losses": on_losses,
    "ks": of_columns(evidence, lambda found: max(found) > -np.log(LEVEL)),
    "ks_bonferroni": of_columns(evidence, lambda found: max(found) > -np.log(LEVEL / len(found))),
    "evidently's, any column": of_columns(apart, lambda found: max(found) >= FAR),
    "evidently's, half": of_columns(apart, lambda found: sum(one >= FAR for one in found) >= len(found) / 2),
    **{f"river/{name}": of_river(name) for name in NAMES},
}


def fitted(inputs: Any, labels: Any) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(inputs, labels)


def losses_of(model: Any, inputs: Any, labels: Any) -> tuple[Any, Any]:
    """Log losses and errors."""
    chance = np.clip(model.predict_proba(inputs)[:, 1], 1e-6, 1 - 1e-6)
    return -np.where(labels == 1, np.log(chance), np.log(1 - chance)), (chance >= 0.5) != labels


class Policy:
    """One rule on one stream, which refits the model at its alarms."""

    def __init__(self, stream: real.Real, make: Callable[..., Rule]) -> None:
        self._stream, self._make = stream, make
        self._fit(stream.known)

    def run(self) -> dict[str, Any]:
        stream, losses, alarms, helped = self._stream, [], [], []
        for start in range(stream.known, len(stream.labels) - stream.window + 1, stream.window):
            end = start + stream.window
            before = losses_of(self._model, *self._rows(start, end))[0].mean()
            losses.append(before)
            changed = self._rule(self._seen(start, end))
            if changed is None:
                continue
            old, following = self._model, self._rows(end, end + stream.window)
            self._fit(max(end - stream.late * stream.window, stream.known))
            alarms.append((stream.dates[end - 1], changed))
            if len(following[1]) == stream.window:
                helped.append(losses_of(self._model, *following)[0].mean() < losses_of(old, *following)[0].mean())
        return {
            "windows": len(losses),
            "alarms": len(alarms),
            "loss": round(float(np.mean(losses)), 4),
            "helped": round(float(np.mean(helped)), 2) if helped else None,
            "dates": [" ".join(alarm).strip() for alarm in alarms],
        }

    def _rows(self, start: int, end: int) -> tuple[Any, Any]:
        return self._stream.inputs[start:end], self._stream.labels[start:end]

    def _seen(self, start: int, end: int) -> Seen:
        """Labels of the window that was so many windows before, where the model now in force predicted it or later."""
        first = start - self._stream.late * self._stream.window
        rows = self._stream.table.slice(start, end - start)
        if first < self._fit_until:
            return Seen(rows, np.empty(0), np.empty(0))
        return Seen(rows, *losses_of(self._model, *self._rows(first, first + end - start)))

    def _fit(self, until: int) -> None:
        """On the newest rows before `until`; a rule knows the losses of the last fifth, held out."""
        start, held = until - self._stream.known, until - self._stream.known // 5
        self._model, self._fit_until = fitted(*self._rows(start, held)), until
        known = losses_of(self._model, *self._rows(held, until))[0]
        self._rule = self._make(self._stream.table.slice(start, until - start), known)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", help="names of rules")
    parser.add_argument("--streams", nargs="+", choices=list(real.STREAMS), default=list(real.STREAMS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {}
    for file in given.streams:
        if not (given.folder / file).exists():
            print(f"SKIPPED: {file} is not in {given.folder}", flush=True)
            continue
        stream = real.STREAMS[file](given.folder)
        for name in given.only or RULES:
            row = Policy(stream, RULES[name]).run()
            found.setdefault(stream.name, {})[name] = row
            figures = "  ".join(f"{key} {row[key]}" for key in ("windows", "alarms", "loss", "helped"))
            print(f"{stream.name:16}{name:26}{figures}  {', '.join(row['dates'][:3])}", flush=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
