"""Card payments in columns, and the published protocol: who is learnt from, who is tested."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tropism.core.clock import DAY, SECOND

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
HOUR = 3_600 * SECOND
DELAY = 7 * DAY
"""From a payment to the moment when it is known whether it was a fraud, µs."""


class Payments(NamedTuple):
    """Columns of shape (n,), in order of `at` (µs). `amount` in cents."""

    at: Ints
    customer: Ints
    terminal: Ints
    amount: Ints
    fraud: Flags

    def within(self, since: int, until: int) -> slice:
        """Those with `since` <= `at` < `until`."""
        first, last = np.searchsorted(self.at, (since, until))
        return slice(int(first), int(last))


class Protocol(NamedTuple):
    """Times in µs. Served from `start` - `before` on, so that the loop has labels to judge its candidates by; learnt
    from `start` for `length`; labels come `DELAY` later; then tested for `length`. `history`: how much of what was
    before is loaded at the beginning. `step`: payments and labels come in once in so long."""

    start: int
    length: int = 7 * DAY
    before: int = 7 * DAY
    history: int = 38 * DAY
    step: int = 30 * 60 * SECOND

    @property
    def served_from(self) -> int:
        return self.start - self.before

    @property
    def trained_at(self) -> int:
        return self.start + self.length + DELAY

    @property
    def end(self) -> int:
        return self.trained_at + self.length


def read_payments(path: Path) -> Payments:
    """The payments of `card_payments.parquet`."""
    names = ["TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]
    table = pq.read_table(path, columns=names)
    at = table["TX_DATETIME"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    order = np.argsort(at, kind="stable")
    customer, terminal, amount, fraud = (table[name].to_numpy()[order] for name in names[1:])
    return Payments(at[order], customer, terminal, np.rint(100 * amount).astype(np.int64), fraud == 1)


def tested(payments: Payments, protocol: Protocol) -> Ints:
    """Numbers of the payments that are tested: those of the test days by cards that are not known to be compromised.

    Known on a test day: cards with a fraud in the days that are learnt from, or since then up to the delay before that
    day. `get_train_test_set` of Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, 2022.
    """
    found = []
    for day in range(protocol.trained_at, protocol.end, DAY):
        past = payments.within(protocol.start, day - DELAY)
        known = np.unique(payments.customer[past][payments.fraud[past]])
        today = payments.within(day, day + DAY)
        numbers = np.arange(today.start, today.stop)
        found.append(numbers[~np.isin(payments.customer[today], known)])
    return np.concatenate(found)
