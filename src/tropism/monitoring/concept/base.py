"""What every detector of concept drift does."""

from __future__ import annotations

from typing import Protocol


class ConceptDetector(Protocol):
    """Reads losses one by one, in the order in which they matured.

    The same losses in the same order give the same answers, so that its state is never stored: it is made again by
    reading the stored losses again. After an alarm it starts afresh from the losses that follow.
    """

    def update(self, loss: float) -> bool:
        """Whether this loss raises an alarm. One that is not finite is left out, and never does.

        Raises:
            InvalidInput: the detector cannot read such a loss.
        """
        ...
