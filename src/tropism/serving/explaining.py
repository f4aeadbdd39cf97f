"""Explains predictions as they are made, off the event loop."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.errors import TropismError
from tropism.learners.explaining import explain
from tropism.serving.rows import Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Value
    from tropism.learners.explaining import Explanation
    from tropism.serving.predictor import Answer

_log = logging.getLogger(__name__)
UNEXPLAINED = "not-explained"
"""The kind of note on a prediction that could not be explained."""


class Explained(NamedTuple):
    """An explanation a row, or none and a note that says why."""

    rows: list[Explanation] | None = None
    notes: tuple[Note, ...] = ()


NOT_ASKED = Explained()


async def explained_rows(answer: Answer, rows: Sequence[dict[str, Value]], at: Sequence[int]) -> Explained:
    """What each feature did to the scores of an answer.

    A model that cannot tell answers all the same: the loop may put one in any other's place at any time, and no
    caller should fail because of it.
    """
    if answer.model is None:
        return _without("the baseline answered, which looks at no features")
    model, moments = answer.model.model, np.array(at, np.int64)
    try:
        return Explained(await asyncio.to_thread(explain, model, rows, moments))  # type: ignore[arg-type]
    except TropismError as error:
        return _without("; ".join([error.message, *(f"{one.field}: {one.value}" for one in error.faults if one.value)]))
    except Exception:  # noqa: BLE001  the prediction was made; that it cannot be explained must not undo it
        _log.error("version %d cannot be explained", answer.version, exc_info=True)
        return _without("explaining it failed; the server's log says why")


def _without(reason: str) -> Explained:
    return Explained(None, (Note(UNEXPLAINED, "", f"no explanation: {reason}"),))
