"""Fitted pipelines that are served: each of their outputs is a feature that is computed on demand."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from operator import is_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, InvalidInput, TropismError
from tropism.features.names import name_faults
from tropism.features.on_demand import OnDemand, on_demand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from tropism.features.on_demand import Values
    from tropism.features.transformations import FittedPipeline

_fitting: ContextVar[bool] = ContextVar("fitting", default=False)
_MARKS = frozenset('%@.,/"')
"""What means something in a name of a feature, or where such names are listed."""


def pipeline_features(
    fitted: FittedPipeline | Path | str, inputs: Mapping[str, str] | None = None, *, prefix: str = ""
) -> tuple[OnDemand, ...]:
    """A feature for each output of a fitted pipeline, computed when it is asked for; see `output_name` for its name.

    `fitted`: the pipeline, or the file that `tropism features fit` wrote; a relative path begins at the folder that
    modules are imported from first, which is that of `project.py`. `inputs`: what fills each input of the pipeline: a
    feature (`"spend.count_7d"`), or a column of the request (`"amount"`). An input that is left out is filled by what
    has its own name.

    Values are brought to the type of the input: a time may be ISO 8601 text or µs since the epoch. A missing value is
    null to the pipeline, which does with it what it does in training. The version changes with what was learned.

    Raises:
        DataInvalid, InvalidInput: the file is not there or holds no fitted pipeline; or `inputs` names an input that
            the pipeline does not have, or what can fill none; or two features would have one name.

    >>> import pyarrow as pa
    >>> from tropism.features.transformations import Log, Pipeline
    >>> log = Pipeline({"amount": float}, (Log("amount"),)).fit(pa.table({"amount": [1.0]}))
    >>> (feature,) = pipeline_features(log, {"amount": "price"})
    >>> feature.name, feature.compute({}, {"price": 1.0}), feature.compute({}, {"price": None})
    ('log_amount', 0.0, None)
    """
    try:
        return _features(fitted, inputs or {}, prefix)
    except TropismError:
        if _fitting.get() and isinstance(fitted, str | Path):
            return (on_demand(lambda _features, _request: None, name="unfitted"),)
        raise


@contextmanager
def fitting() -> Iterator[None]:
    """While a pipeline is fitted, files of fitted pipelines may be missing or out of date: one feature, `unfitted`,
    stands for each."""
    before = _fitting.set(True)
    try:
        yield
    finally:
        _fitting.reset(before)


def output_name(prefix: str, output: str) -> str:
    """What the feature of an output is called. What means something in such names is written as in URLs.

    >>> output_name("card_", "city=St. Gallen")
    'card_city=St%2E Gallen'
    """
    parts = (one if one.isprintable() and one not in _MARKS else _quoted(one) for one in output)
    return prefix + "".join(parts)


def _quoted(one: str) -> str:
    return "".join(f"%{byte:02X}" for byte in one.encode())


def _features(fitted: FittedPipeline | Path | str, inputs: Mapping[str, str], prefix: str) -> tuple[OnDemand, ...]:
    from tropism.features.transformations.pipeline import FittedPipeline

    of = "a pipeline"
    if isinstance(fitted, str | Path):
        of = Path(fitted).name
        fitted = FittedPipeline.load(Path(sys.path[0] or ".", fitted))
    if not isinstance(fitted, FittedPipeline):
        raise _refused(Fault("fitted", repr(fitted)[:80], "give what Pipeline.fit gives, or the path of its file"))
    faults = _faults(fitted, inputs, prefix)
    if faults:
        raise _refused(*faults)
    served = ServedPipeline(fitted, inputs)
    return tuple(PipelineFeature(served, output, prefix, of) for output in fitted.outputs)


def _faults(fitted: FittedPipeline, inputs: Mapping[str, str], prefix: str) -> list[Fault]:
    faults = name_faults("prefix", f"{prefix}x")
    if not isinstance(prefix, str) or faults:
        return [Fault("prefix", repr(prefix)[:80], "use a-z, 0-9 and '_'")]
    for column, name in inputs.items():
        if column not in fitted.inputs:
            faults.append(Fault("inputs", repr(column)[:80], f"name some of: {', '.join(fitted.inputs)[:200]}"))
        elif not isinstance(name, str) or not name or "@" in name:
            fix = "name a feature as view.name, or a column of the request"
            faults.append(Fault(f"inputs.{column}"[:80], repr(name)[:80], fix))
    for output in fitted.outputs:
        faults += [
            Fault("fitted", fault.value, fault.fix)
            for fault in name_faults("", output_name(prefix, output), column=True)
        ]
    return faults


def _refused(*faults: Fault) -> InvalidInput:
    return InvalidInput("the pipeline cannot be served", *faults)


class ServedPipeline:
    """A fitted pipeline and what fills its inputs: names with a point are features, others columns of the request.

    Safe to use from many threads.
    """

    def __init__(self, fitted: FittedPipeline, inputs: Mapping[str, str]) -> None:
        from tropism.features.transformations.inputs import Filling

        self.fitted = fitted
        self.names = {column: inputs.get(column, column) for column in fitted.inputs}
        self._fillings = {column: Filling(kind, self.names[column]) for column, kind in fitted.inputs.items()}
        self._places = tuple((is_feature(name), name) for name in self.names.values())
        self._last: tuple[tuple[Any, ...], Values] | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The features among what fills it."""
        return tuple(dict.fromkeys(name for name in self.names.values() if is_feature(name)))

    def row(self, features: Values, request: Values) -> Values:
        """The outputs for one row, the same object as long as the same objects fill it: the outputs are asked for one
        by one. Raises as `OnDemand.compute`."""
        try:
            given = tuple([(features if stored else request)[name] for stored, name in self._places])
        except KeyError as error:
            raise _not_there(str(error)) from error
        last = self._last
        if last is not None and all(map(is_, given, last[0])):
            return last[1]
        fillings = self._fillings.items()
        row = {column: one.value(value) for (column, one), value in zip(fillings, given, strict=True)}
        found = self.fitted.apply_row(row)
        self._last = given, found  # one step, so that no thread sees half of it
        return found

    def columns(self, features: pa.Table, requests: pa.Table) -> pa.Table:
        """The outputs for n rows. Raises as `OnDemand.compute`."""
        from tropism.features.transformations.inputs import filled

        return self.fitted.apply(filled(self._fillings, _column(features, requests)))


def is_feature(name: str) -> bool:
    """Whether what fills an input is a feature, not a column of the request.

    >>> is_feature("spend.count_7d"), is_feature("amount")
    (True, False)
    """
    return "." in name


def _column(features: pa.Table, requests: pa.Table) -> Callable[[str], pa.ChunkedArray]:
    def column(name: str) -> pa.ChunkedArray:
        table = features if is_feature(name) else requests
        if table.column_names.count(name) != 1:
            raise _not_there(repr(name))
        return table[name]

    return column


def _not_there(name: str) -> InvalidInput:
    fault = Fault("inputs", name[:80], "name a feature as view.name, or send the column")
    return InvalidInput("a pipeline reads what is not there", fault)


class PipelineFeature(OnDemand):
    """One output of a pipeline. `texts`: the features that fill the pipeline's inputs."""

    def __init__(self, pipeline: ServedPipeline, output: str, prefix: str = "", of: str = "a pipeline") -> None:
        """`of`: where the pipeline is from, for people."""
        facts = [pipeline.fitted.fingerprint, sorted(pipeline.names.items()), output]
        self.name, self.type = output_name(prefix, output), pipeline.fitted.outputs[output]
        self.description = f"{output} of {of}"
        self.texts = pipeline.reads
        self.version = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        self._pipeline, self._output = pipeline, output

    def compute(self, features: Values, request: Values) -> Any:
        """The value, by what the pipeline does with missing values.

        Raises:
            InvalidInput: what fills an input is not there, or is of no use to it.
        """
        try:
            return self._pipeline.row(features, request)[self._output]
        except TropismError:
            raise
        except Exception as error:  # an encoder of text may raise anything
            fault = Fault(f"on_demand.{self.name}", f"{type(error).__name__}: {error}"[:200], "mend the encoder")
            raise InvalidInput(f"'{self.name}' failed", fault) from error

    def compute_column(
        self, features: pa.Table, requests: pa.Table, made: dict[object, Any] | None = None
    ) -> pa.ChunkedArray:
        made = {} if made is None else made
        if self._pipeline not in made:
            made[self._pipeline] = self._pipeline.columns(features, requests)
        found: pa.Table = made[self._pipeline]
        return found[self._output]
