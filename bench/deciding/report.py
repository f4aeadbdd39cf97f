"""Rows as they come: how far a benchmark is, and how sure a share is that was counted."""

from __future__ import annotations

import sys
import time

from scipy.special import betaincinv


def upper_limit(count: int, runs: int, confidence: float = 0.95) -> float:
    """Upper bound of a rate, from the number of times it was seen (Clopper and Pearson)."""
    return 1.0 if count >= runs else float(betaincinv(count + 1, runs - count, confidence))


class Progress:
    """Lines of what was found, numbered; on a terminal, the run that is being made as well.

    `total`: lines to come, 0 when that is not known, which leaves the numbers out.
    """

    def __init__(self, total: int = 0) -> None:
        self._total = total
        self._line = 0
        self._shown = 0.0
        self._live = sys.stderr.isatty()

    def runs(self, done: int, of: int) -> None:
        """How many runs of the next line were made."""
        if self._live and time.monotonic() - self._shown > 0.5:
            self._shown = time.monotonic()
            print(f"\r  {done:,} of {of:,} runs", end="", file=sys.stderr, flush=True)

    def line(self, text: str) -> None:
        self._line += 1
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(f"[{self._line:3}/{self._total}] {text}" if self._total else f"  {text}", flush=True)
