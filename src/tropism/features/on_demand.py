"""Features that are computed when they are asked for, from other features and from the request, online and offline by
the same code."""

from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, InvalidInput
from tropism.features.names import name_faults
from tropism.features.types import Dtype, dtype, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType

    import pyarrow as pa

    Values = Mapping[str, Any]
    Function = Callable[[Values, Values], Any]


class OnDemand:
    """One feature that is computed. `version` changes with the function's code, not with where it stands.

    >>> ratio = on_demand(lambda f, request: request["amount"] / f["spend.mean_amount_30d"], name="amount_ratio")
    >>> ratio.compute({"spend.mean_amount_30d": 4.0}, {"amount": 10.0})
    2.5
    >>> ratio.compute({"spend.mean_amount_30d": None}, {"amount": 10.0}) is None
    True
    """

    def __init__(self, function: Function, name: str, type: Any = float, description: str = "") -> None:  # noqa: A002
        """`function`: takes features by `view.name` and the request by column, and gives a value or None.

        Raises:
            InvalidInput: the name or the type is none, or the function does not take two arguments.
        """
        faults = name_faults("name", name)
        if not callable(function) or len(inspect.signature(function).parameters) != 2:
            faults.append(Fault("function", repr(function)[:80], "give a function of features and request"))
        if faults:
            raise InvalidInput(f"the on-demand feature '{name}' is not valid", *faults)
        self.name, self.type, self.description = name, type_name(type), description
        self._function = function
        code = getattr(function, "__code__", None)
        self.texts = tuple(dict.fromkeys(_texts(code))) if code else ()
        """What stands in the function as text: the features that it reads among it."""
        self.version = hashlib.sha256(_facts(code).encode() if code else repr(function).encode()).hexdigest()[:16]

    @property
    def dtype(self) -> Dtype:
        return dtype(self.type)

    def compute(self, features: Values, request: Values) -> Any:
        """The value; None where something that it is computed from is missing (None), or a division is by zero.

        Raises:
            InvalidInput: the function reads what is not there, fails, or gives something of another type.
        """
        try:
            value = self._function(_Known(features), _Known(request))
        except (_Missing, ZeroDivisionError):
            return None
        except KeyError as error:
            fault = Fault(f"on_demand.{self.name}", str(error), "name a feature as view.name, or send the column")
            raise InvalidInput(f"'{self.name}' reads what is not there", fault) from error
        except Exception as error:
            fault = Fault(f"on_demand.{self.name}", f"{type(error).__name__}: {error}"[:200], "mend the function")
            raise InvalidInput(f"'{self.name}' failed", fault) from error
        if value is None or self.dtype.fits(value):
            return value
        fault = Fault(f"on_demand.{self.name}", repr(value)[:80], f"make it a {self.type}, or declare another type")
        raise InvalidInput(f"'{self.name}' gave a value of another type", fault)

    def compute_column(
        self, features: pa.Table, requests: pa.Table, made: dict[object, Any] | None = None
    ) -> pa.ChunkedArray:
        """`compute` for each of n rows. `made`: what computing one feature leaves for the next, of the same requests
        and of features that only grow in columns. Raises as `compute`."""
        import pyarrow as pa

        made = {} if made is None else made
        if _rows not in made:
            made[_rows] = _rows(requests)
        rows = zip(_rows(features), made[_rows], strict=True)
        return pa.chunked_array([pa.array([self.compute(*row) for row in rows], self.dtype.arrow())])


class _Missing(Exception):
    """A value that is needed is missing."""


class _Known(dict[str, Any]):
    """A mapping whose missing values (None) end the computation."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if value is None:
            raise _Missing
        return value


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist() if table.num_columns else [{} for _ in range(table.num_rows)]


def on_demand(function: Function, *, name: str, type: Any = float, description: str = "") -> OnDemand:  # noqa: A002
    """See `OnDemand`."""
    return OnDemand(function, name, type, description)


def _texts(code: CodeType) -> Iterator[str]:
    for one in code.co_consts:
        if isinstance(one, str):
            yield one
        elif isinstance(one, tuple | frozenset):
            yield from (part for part in one if isinstance(part, str))
        elif inspect.iscode(one):
            yield from _texts(one)


def _facts(code: CodeType) -> str:
    """What a function does, without where it stands: bytecode, names and constants, those of inner functions too."""
    constants = [_facts(one) if inspect.iscode(one) else repr(one) for one in code.co_consts]
    return repr((code.co_code, code.co_names, code.co_varnames, constants))
