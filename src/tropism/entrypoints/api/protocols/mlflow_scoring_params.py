"""The `params` of MLflow's scoring protocol: whom and what predictions are for. Others are accepted, and unused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import InvalidInput
from tropism.core.faults import Faults
from tropism.serving.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.serving.requests import Ask


def with_params(asks: Sequence[Ask], params: Any) -> list[Ask]:
    """The rows, with the `entity` and the `unit` of the parameters: a list with one text for each row, or one text.

    Raises:
        InvalidInput: not texts, or another number of them.
    """
    if not isinstance(params, dict) or not params.keys() & {"entity", "unit"}:
        return list(asks)
    faults = Faults()
    entities = _texts(params, "entity", len(asks), faults)
    units = _texts(params, "unit", len(asks), faults)
    faults.check()
    rows = zip(asks, entities, units, strict=True)
    return [ask._replace(entity=entity, unit=unit) for ask, entity, unit in rows]


def _texts(params: dict[str, Any], name: str, count: int, faults: Faults) -> list[str | None]:
    value = params.get(name)
    values = value if isinstance(value, list) else [value] * count
    if len(values) != count:
        fix = f"send {count}, one for each row"
        faults.add(InvalidInput, f"'{name}' has another length", f"params.{name}", f"{len(values)} values", fix)
        return [None] * count
    if not isinstance(value, list):
        return [Fields(params, "params.", faults, InvalidInput).text(name)] * count
    return [Fields({name: one}, f"rows[{at}].", faults, InvalidInput).text(name) for at, one in enumerate(values)]
