"""Which rows are in the segments that were declared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.core.task import Feature, Task
from tropism.monitoring.segments.groups import groups
from tropism.monitoring.segments.rules import matching, parse

MOST = 8
_LEAST = 20


def masks(task: Task, table: pa.Table, declared: Sequence[str], prefix: str = "f_") -> dict[str, NDArray[np.bool_]]:
    """Rows (n,) of each segment, by its name: `big` of a rule, `country = DE` of a feature's commonest values.

    What cannot be read, such as a feature that these rows do not have, is left out.

    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("amount"),))
    >>> masks(task, pa.table({"f_amount": [5.0, 9.0]}), ["big: amount > 6"])["big"].tolist()
    [False, True]
    """
    found: dict[str, NDArray[np.bool_]] = {}
    for text in declared:
        try:
            segment = parse(task, text)
            if isinstance(segment, Feature):
                grouped = groups(table, segment, _LEAST, prefix)
                for code, name in list(enumerate(grouped.names))[1 : MOST + 1]:
                    found[name] = grouped.codes == code
            else:
                found[segment.name] = matching(segment, task, table, prefix).to_numpy(zero_copy_only=False)
        except (InvalidInput, DataInvalid):
            continue
    return found
