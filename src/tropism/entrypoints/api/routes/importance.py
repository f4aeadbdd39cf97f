"""How much a model relies on a feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, Field

from tropism.core.courtesy import give_way, giving_way
from tropism.entrypoints.api.routes.parts import Parts

if TYPE_CHECKING:
    from tropism.entrypoints.permuted import Importances

router = APIRouter(prefix="/api/v1/ml/features", tags=["features"])
_ROWS, _FEWEST, _MOST = 5_000, 30, 50_000


class ImportanceOrder(BaseModel, extra="forbid"):
    """What to measure. Every field may be left out."""

    task: str | None = Field(default=None, description="The task; left out, the only one that has the feature.")
    version: int | None = Field(default=None, ge=1, description="The version; left out, the champion.")
    rows: int = Field(
        default=_ROWS, ge=_FEWEST, le=_MOST, description="The newest matured rows to measure on, at most."
    )
    grouped: bool = Field(default=False, description="Permute features that correlate above 0.9 by rank together.")


def _importances(request: Request) -> Importances:
    """One for an application, so that callers take turns and the last result can be kept."""
    from tropism.entrypoints.permuted import Importances

    made: Importances | None = getattr(request.app.state, "importances", None)
    if made is None:
        made = request.app.state.importances = Importances(request.app.state.platform)
    return made


@router.post("/{id:path}/importance")
def measure_importance(
    feature: Annotated[str, Path(alias="id", description="Its name in the task.")],
    order: Annotated[ImportanceOrder, Body(default_factory=ImportanceOrder)],
    parts: Parts,
    request: Request,
) -> dict[str, Any]:
    """What permuting a feature adds to the loss of a version on matured rows, with a 95% interval."""
    from tropism.entrypoints.permuted import task_of

    task = task_of(parts, feature, order.task)
    with giving_way():
        found = _importances(request).measure(
            task, order.version, order.rows, grouped=order.grouped, progress=lambda _: give_way()
        )
    one = found.of(feature)
    return {
        "feature": feature,
        "group": one.features,
        "task": found.task,
        "version": found.version,
        "metric": found.metric,
        "loss": found.loss,
        "baseline": found.baseline,
        "baseline_loss": found.baseline_loss,
        "importance": one.importance,
        "lower": one.lower,
        "upper": one.upper,
        "rank": one.rank,
        "rows": found.rows,
        "in_sample": found.in_sample,
        "note": one.note,
    }
