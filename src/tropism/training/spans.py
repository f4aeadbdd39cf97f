"""Turns a policy's named windows into stretches of a task's history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropism.training.request import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Policy


def spans(policy: Policy, at: NDArray[np.int64], changed: int | None) -> tuple[Span, ...]:
    """One span a window that differs from the ones before it.

    `at`: (n,) times of the labelled rows, ascending. `changed`: when the world last changed, if that is known.

    >>> from tropism.core.task import Policy
    >>> [span.name for span in spans(Policy(recent=100), np.arange(500), None)]
    ['all', 'recent']
    """
    found: list[Span] = []
    for window in policy.windows:
        if window == "all":
            found.append(Span("all"))
        elif window == "recent" and len(at) > policy.recent:
            found.append(Span("recent", rows=policy.recent))
        elif window == "since-change" and changed is not None:
            rows = int((at >= changed).sum())
            if policy.min_training <= rows < len(at):
                found.append(Span("since-change", since=changed))
    return tuple(dict.fromkeys(found)) or (Span("all"),)
