"""What a scoring job is asked for, and what cannot be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from tropism.core.errors import Fault, InvalidInput
from tropism.entrypoints.scoring.sources.base import Chosen
from tropism.serving.tabular.results import result_schema

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.entrypoints.scoring.plan import Form, Plan
    from tropism.entrypoints.scoring.sources.base import Source


class Request(NamedTuple):
    """What is asked for. `version`: the champion if None. `form`: of the output. `skip_bad`: a file for the rows that
    cannot be scored; without it they end the run. `restart`: forget an unfinished run. `part_rows`: rows of a part;
    by their width if None.
    """

    task: str
    version: int | None
    data: Path
    out: Path
    form: Form
    chosen: Chosen = Chosen()
    journal: bool = False
    skip_bad: Path | None = None
    restart: bool = False
    part_rows: int | None = None


def require_paths(request: Request) -> None:
    """Raises `InvalidInput` for an output that would write over something else, or has no folder."""
    out, data, bad = request.out, request.data, request.skip_bad
    if out.is_dir():
        raise InvalidInput("the output is a folder", Fault("--out", str(out), "name a file in it"))
    if not out.parent.is_dir():
        fault = Fault("--out", str(out), f"make the folder first: {out.parent}")
        raise InvalidInput("the output's folder does not exist", fault)
    taken = {data.resolve(): "the input", out.resolve(): "the output"}
    if len(taken) < 2:
        raise InvalidInput("the output is the input", Fault("--out", str(out), "name another file"))
    if bad is not None and bad.resolve() in taken:
        what = taken[bad.resolve()]
        raise InvalidInput(f"the file for bad rows is {what}", Fault("--skip-bad", str(bad), "name another file"))


def require_writable(source: Source, plan: Plan) -> None:
    """Raises `InvalidInput` for columns that the output cannot have."""
    own = set(result_schema(plan.task, ids=True).names) | set(plan.layout.carried)
    for field in source.kept_fields():
        if field.name in own:
            fix = "rename it in the file; the result has a column of that name"
            raise InvalidInput("a column cannot be kept", Fault("--keep", field.name, fix))
        nested = pa.types.is_nested(field.type) or pa.types.is_binary(field.type)
        if plan.output == "csv" and nested:
            fix = "write Parquet instead, or leave it out"
            raise InvalidInput("a column does not fit into CSV", Fault("--keep", f"{field.name}: {field.type}", fix))
