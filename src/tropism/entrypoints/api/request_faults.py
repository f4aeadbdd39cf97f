"""What is wrong with a request to the control plane, in the words that the rest of Tropism uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

_OBJECT, _LIST, _NUMBER, _WHOLE = "send an object", "send a list", "send a number", "send a whole number"
_BOOL = "send true or false"
_MOMENT, _DAY = "send a time, such as 2026-01-31T12:00:00Z", "send a date, such as 2026-01-31"
_FIXES = {
    "missing": "send it",
    "extra_forbidden": "leave it out; there is no such field",
    "string_type": "send text",
    "string_unicode": "send text in whole characters",
    "string_pattern_mismatch": "send text that matches {pattern}",
    "string_too_short": "send text of at least {min_length} characters",
    "string_too_long": "send text of at most {max_length} characters",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "send a smaller whole number",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "send a finite number",
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "none_required": "send null",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "too_short": "send at least {min_length} of them",
    "too_long": "send at most {max_length} of them",
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "literal_error": "send one of: {expected}",
    "enum": "send one of: {expected}",
    "greater_than": "send more than {gt}",
    "greater_than_equal": "send at least {ge}",
    "less_than": "send less than {lt}",
    "less_than_equal": "send at most {le}",
    "multiple_of": "send a multiple of {multiple_of}",
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "uuid_type": "send a UUID",
    "uuid_parsing": "send a UUID",
}


def request_fault(error: Mapping[str, Any]) -> Fault:
    """One error of pydantic's as a fault. What has no words of ours keeps pydantic's.

    >>> request_fault({"type": "string_type", "loc": ("body", "unit"), "input": 3, "msg": "Input should be a string"})
    Fault(field='body.unit', value='3', fix='send text')
    """
    field = sendable(".".join(str(part) for part in error["loc"]))
    value = "" if error["type"] == "missing" else sendable(str(error.get("input", ""))[:200])
    return Fault(field, value, _fix(error))


def sendable(text: str) -> str:
    """JSON may hold half a surrogate pair, which a reply cannot."""
    return text.encode(errors="backslashreplace").decode()


def _fix(error: Mapping[str, Any]) -> str:
    words = _FIXES.get(error["type"], "")
    try:
        said = words.format_map(error.get("ctx") or {})
    except KeyError:
        said = ""
    return said or str(error["msg"])
