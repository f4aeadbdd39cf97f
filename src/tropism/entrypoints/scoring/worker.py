"""A process that scores parts: `python -m tropism.entrypoints.scoring.worker`.

It reads the job and then parts from standard input, and writes what became of each to standard output. It has one
thread, so that as many processes as there are cores do not get into each other's way, and it ends when its input
does: nobody has to stop it when the job is killed.
"""

from __future__ import annotations

import os
import signal
import sys

import msgspec

from tropism.core.errors import TropismError
from tropism.entrypoints.scoring.frames import receive, send
from tropism.entrypoints.scoring.parts import Part, Problem, ScoredPart
from tropism.entrypoints.scoring.plan import Plan


class Order(msgspec.Struct, frozen=True):
    """A job, and where its model lies."""

    plan: Plan
    blobs_url: str


class Ready(msgspec.Struct, frozen=True):
    """The model is in memory, or why it is not."""

    problem: Problem | None = None


def main() -> int:
    # Ctrl-C reaches every process of a terminal; this one is told by its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = sys.stdin.buffer
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the messages
    order = receive(source, Order)
    if order is None:
        return 1
    from tropism.entrypoints.scoring.scorer import Scorer
    from tropism.storage.blobs import Blobs

    try:
        scorer = Scorer(order.plan, Blobs(order.blobs_url))
    except TropismError as error:
        send(sink, Ready(Problem.of(error)))
        return 1
    send(sink, Ready())
    while (part := receive(source, Part)) is not None:
        scored: ScoredPart = scorer.score(part)
        send(sink, scored)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(1)
