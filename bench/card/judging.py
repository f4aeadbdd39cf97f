"""How well scores put frauds first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from card.payments import Ints, Payments
from numpy.typing import NDArray

from tropism.core.clock import DAY
from tropism.evaluation.ranking import average_precision

Floats = NDArray[np.float64]
_DRAWS = 500
_CARDS = 100


class Judged(NamedTuple):
    """Average precision with a 95% interval (percentiles of a bootstrap over customers), and card precision: the share
    of compromised cards among the 100 that look worst on a day, averaged over days; cards found are left out later."""

    average_precision: float
    low: float
    high: float
    card_precision: float


def judge(payments: Payments, rows: Ints, scores: Floats, seed: int = 0) -> Judged:
    """Of payments `rows` (m,) with `scores` (m,)."""
    statistic = average_precision(payments.fraud[rows].astype(np.float64), scores)
    drawn = [statistic(counts) for counts in _draws(payments, rows, seed)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Judged(statistic(np.ones(len(rows))), float(low), float(high), _card_precision(payments, rows, scores))


def gain(payments: Payments, rows: Ints, scores: Floats, others: Floats, seed: int = 0) -> dict[str, float]:
    """How much more average precision `scores` have than `others`, with a 95% interval: on the same draws."""
    labels = payments.fraud[rows].astype(np.float64)
    ours, theirs = average_precision(labels, scores), average_precision(labels, others)
    drawn = [ours(counts) - theirs(counts) for counts in _draws(payments, rows, seed)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    ones = np.ones(len(rows))
    return {"average_precision": ours(ones) - theirs(ones), "low": float(low), "high": float(high)}


def _draws(payments: Payments, rows: Ints, seed: int) -> Iterator[Floats]:
    """How often each row counts where customers are drawn with replacement."""
    _, customer = np.unique(payments.customer[rows], return_inverse=True)
    rng, customers = np.random.default_rng(seed), int(customer.max()) + 1
    for _ in range(_DRAWS):
        counts = np.bincount(rng.integers(0, customers, customers), minlength=customers)
        yield counts[customer].astype(np.float64)


def _card_precision(payments: Payments, rows: Ints, scores: Floats) -> float:
    found: set[int] = set()
    shares = []
    days = payments.at[rows] // DAY
    for day in np.unique(days):
        worst: dict[int, float] = {}
        frauds: set[int] = set()
        today = days == day
        for row, score in zip(rows[today].tolist(), scores[today].tolist(), strict=True):
            card = int(payments.customer[row])
            if card in found:
                continue
            worst[card] = max(score, worst.get(card, score))
            if payments.fraud[row]:
                frauds.add(card)
        listed = sorted(worst, key=lambda card: -worst[card])[:_CARDS]
        hits = frauds & set(listed)
        shares.append(len(hits) / _CARDS)
        found |= hits
    return float(np.mean(shares))


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The rows as Markdown; those that are cited have no interval."""
    lines = ["| | average precision | 95% interval | card precision at 100 |", "|---|---|---|---|"]
    for name, row in rows.items():
        interval = f"{row['low']:.3f} to {row['high']:.3f}" if "low" in row else "not given"
        lines.append(f"| {name} | {row['average_precision']:.3f} | {interval} | {row['card_precision']:.3f} |")
    return "\n".join(lines)
