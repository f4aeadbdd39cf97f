"""The four JSON forms of MLflow's scoring protocol, read into rows by feature name.

Forms and refusals follow `mlflow.utils.proto_json_utils` and `mlflow.models.utils._enforce_schema` of MLflow 3.17.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, InvalidInput, MalformedBody, TooLarge
from tropism.core.faults import shown
from tropism.entrypoints.api.protocols.mlflow_scoring_errors import CHANGED
from tropism.serving.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = dict[str, Any]
_MARK = b"\xef\xbb\xbf"
_REQUIRED = (
    "The input must be a JSON dictionary with exactly one of the input fields "
    "{'dataframe_records', 'dataframe_split', 'inputs', 'instances'}"
)
_BY_NAME = 'send {"inputs": {"name": [value, ...], ...}}'
_EQUALLY_LONG = "send as many values in each column"
_LENGTHS = "Invalid input. The length of values for each input/column name are not the same"


def content_of(body: bytes) -> Row:
    """The JSON object in a body. NaN, which Python's `json` writes for a missing value, is read as one.

    Raises:
        MalformedBody: not a JSON object.
    """
    body = body.removeprefix(_MARK)
    try:
        content = parse(body)
    except MalformedBody:
        if b"NaN" not in body and b"Infinity" not in body:
            raise
        content = _with_constants(body)
    if isinstance(content, dict):
        return content
    kind = "a list" if isinstance(content, list) else f"unexpected input type '{type(content)}"
    raise _malformed(f"Invalid input. {_REQUIRED}. Received {kind}.", "body", content, _BY_NAME)


def _with_constants(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=lambda name: None if name == "NaN" else float(name))
    except (ValueError, RecursionError) as error:
        fault = Fault("body", str(error)[:200], "send JSON in one of MLflow's forms")
        raise MalformedBody("the body is not JSON", fault) from error


def rows_of(content: Row, names: Sequence[str], most: int) -> list[Row]:
    """The rows of a body, by feature name; other columns are left out, as MLflow leaves them out.

    A value may be any JSON value; rows may lack some of `names`, the task's features, but then all rows do.

    Raises:
        MalformedBody: none or several of the four forms, or one that is not what it must be.
        InvalidInput: columns that do not fit each other or the task.
        TooLarge: more than `most` rows.
    """
    forms = [name for name in content if name in _READERS]
    if len(forms) != 1:
        message = f"{_REQUIRED}. Received dictionary with input fields: {forms}. {CHANGED}"
        raise MalformedBody(message, Fault("body", ", ".join(content)[:200], _BY_NAME))
    return _READERS[forms[0]](content[forms[0]], names, most)


def limited(count: int, most: int) -> None:
    """Raises `TooLarge` for more rows than one request may have."""
    if count > most:
        fix = f"predict in batches of at most {most} (max_rows)"
        raise TooLarge(f"{count} rows are too many for one request", Fault("rows", str(count), fix))


def _split(content: Any, names: Sequence[str], most: int) -> list[Row]:
    form, fix = "dataframe_split", 'send {"columns": ["name", ...], "data": [[value, ...], ...]}'
    if not isinstance(content, dict):
        raise _malformed(
            f"Invalid input. Dataframe split format must be a dictionary. Got {_type(content)}.", form, content, fix
        )
    if "data" not in content or content.keys() - {"columns", "data", "index"}:
        message = (
            "Invalid input. Dataframe split format must have 'data' field and optionally 'columns' and 'index' fields."
        )
        raise MalformedBody(message, Fault(form, ", ".join(content)[:200], fix))
    data, columns, index = content["data"], content.get("columns"), content.get("index")
    if not all(isinstance(one, list | None) for one in (data, columns, index)) or data is None:
        raise _malformed("Invalid input. Dataframe split format has a field that is no list.", form, content, fix)
    limited(len(data), most)
    if index is not None and len(index) != len(data):
        raise _no_frame(f"Length of values ({len(data)}) does not match length of index ({len(index)})")
    if not columns:
        raise InvalidInput(f"Model is missing inputs {list(names)}.", Fault(f"{form}.columns", "", "name the columns"))
    rows = [one if isinstance(one, list) else [one] for one in data]
    width = max(map(len, rows), default=0)
    if width > len(columns):
        raise _no_frame(f"{len(columns)} columns passed, passed data had {width} columns")
    places = _places(columns, names)
    return [{name: row[place] if place < len(row) else None for name, place in places} for row in rows]


def _places(columns: list[Any], names: Sequence[str]) -> list[tuple[str, int]]:
    places = []
    for name in names:
        found = columns.count(name)
        if found > 1:
            fault = Fault("dataframe_split.columns", name, "name each column once")
            raise InvalidInput(f"the column '{name}' is repeated", fault)
        if found:
            places.append((name, columns.index(name)))
    return places


def _records(content: Any, names: Sequence[str], most: int) -> list[Row]:
    form, fix = "dataframe_records", 'send [{"name": value, ...}, ...]'
    if not isinstance(content, list):
        kind = "dictionary" if isinstance(content, dict) else _type(content)
        message = f"Invalid input. Dataframe records format must be a list of records. Got {kind}."
        raise _malformed(message, form, content, fix)
    limited(len(content), most)
    unnamed = next((one for one in content if not isinstance(one, dict)), content)
    if unnamed is not content or not content:
        value = shown(unnamed) if content else "an empty list"
        raise InvalidInput(f"Model is missing inputs {list(names)}.", Fault(form, value, fix))
    return _named(content, names)


def _named(content: list[Row], names: Sequence[str]) -> list[Row]:
    """A column that some record has is missing in the others; one that none has was not sent."""
    sent = [name for name in names if any(name in one for one in content)]
    return [{name: one.get(name) for name in sent} for one in content]


def _instances(content: Any, names: Sequence[str], most: int) -> list[Row]:
    if isinstance(content, list) and content and isinstance(content[0], dict):
        limited(len(content), most)
        mixed = next((one for one in content if not isinstance(one, dict)), content)
        if mixed is not content:
            message = "Invalid input. Ensure that the input is a valid JSON-formatted string."
            raise _malformed(message, "instances", mixed, 'send [{"name": value, ...}, ...]')
        rows = _named(content, names)
        if any(name not in one for one in content for name in rows[0]):
            raise MalformedBody(_LENGTHS, Fault("instances", "a value is missing", "send null for a missing value"))
        return rows
    if isinstance(content, dict) and len(_lengths(content, names)) > 1:
        raise MalformedBody(_LENGTHS, Fault("instances", "", _EQUALLY_LONG))
    return _inputs(content, names, most)


def _inputs(content: Any, names: Sequence[str], most: int) -> list[Row]:
    if isinstance(content, dict):
        return _columns(content, names, most)
    if isinstance(content, str):
        raise _malformed("Invalid input. Failed to convert data to columns.", "inputs", content, _BY_NAME)
    if not isinstance(content, list) or not content:
        value = shown(content) if content != [] else "an empty list"
        raise InvalidInput(f"Model is missing inputs {list(names)}.", Fault("inputs", value, _BY_NAME))
    limited(len(content), most)
    if all(isinstance(one, dict) for one in content):
        return _named(content, names)
    if all(isinstance(one, list) for one in content):
        return _in_order(content, names)
    return _in_order([[one] for one in content] if len(names) == 1 else [content], names)


def _columns(content: Row, names: Sequence[str], most: int) -> list[Row]:
    lengths = _lengths(content, content)
    if len(lengths) > 1:
        fault = Fault("inputs", ", ".join(map(str, sorted(lengths)[:9])), _EQUALLY_LONG)
        raise InvalidInput("the columns have different lengths", fault)
    count = lengths.pop() if lengths else 1
    limited(count, most)
    sent = [name for name in names if name in content]
    if not sent:
        fault = Fault("inputs", ", ".join(content)[:200], f"send columns: {', '.join(names)[:400]}")
        raise InvalidInput(f"Model is missing inputs {list(names)}.", fault)
    columns = [content[name] if isinstance(content[name], list) else [content[name]] * count for name in sent]
    return [dict(zip(sent, row, strict=True)) for row in zip(*columns, strict=True)]


def _lengths(content: Row, names: Sequence[str] | Row) -> set[int]:
    return {len(value) for name, value in content.items() if name in names and isinstance(value, list)}


def _in_order(content: list[list[Any]], names: Sequence[str]) -> list[Row]:
    wrong = next((row for row in content if len(row) != len(names)), None)
    if wrong is not None:
        fix = f"send the {len(names)} features in this order, or columns by name: {', '.join(names)[:400]}"
        raise InvalidInput("a row has another number of values", Fault("inputs", f"{len(wrong)} values", fix))
    return [dict(zip(names, row, strict=True)) for row in content]


def _malformed(message: str, field: str, value: Any, fix: str) -> MalformedBody:
    return MalformedBody(message, Fault(field, shown(value), fix))


def _no_frame(reason: str) -> MalformedBody:
    message = (
        "Invalid input. Provided dataframe_split field is not a valid dataframe representation in 'split' format. "
        f"Error: '{reason}'"
    )
    return MalformedBody(message, Fault("dataframe_split", "", "send rows as long as 'columns'"))


def _type(content: Any) -> str:
    return "list" if isinstance(content, list) else f"type {type(content)}"


_READERS: dict[str, Callable[[Any, Sequence[str], int], list[Row]]] = {
    "dataframe_records": _records,
    "dataframe_split": _split,
    "inputs": _inputs,
    "instances": _instances,
}
