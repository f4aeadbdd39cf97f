"""Plain values that do not have the form of a struct: which field, what was there, and what would be right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import inspect

from tropism.core.errors import Fault
from tropism.core.faults import one_of, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS: dict[type[inspect.Type], str] = {
    inspect.StructType: "an object",
    inspect.DictType: "an object",
    inspect.VarTupleType: "a list",
    inspect.ListType: "a list",
    inspect.StrType: "text",
    inspect.FloatType: "a number",
    inspect.IntType: "a whole number",
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
}
_LONGEST_EXAMPLE = 120


def place(error: msgspec.ValidationError) -> tuple[str, str]:
    """What msgspec says is wrong, and the path to it; the path is empty where it is the whole.

    >>> place(msgspec.ValidationError("Expected `int`, got `str` - at `$.rows[0].id`"))
    ('Expected `int`, got `str`', 'rows[0].id')
    """
    reason, _, path = str(error).partition(" - at `$")
    return reason, path.strip("`.")


def steps(path: str) -> list[str]:
    """The steps of a path.

    >>> steps("features[0].type")
    ['features', '0', 'type']
    """
    return re.findall(r"[^.\[\]]+", path)


def value_at(plain: object, path: str) -> object:
    """What lies at a path; `msgspec.UNSET` where nothing does.

    >>> value_at({"rows": [{"id": 7}]}, "rows[0].id"), value_at({}, "id")
    (7, UNSET)
    """
    for step in steps(path):
        if isinstance(plain, dict) and step in plain:
            plain = plain[step]
        elif isinstance(plain, list | tuple) and step.isdecimal() and int(step) < len(plain):
            plain = plain[int(step)]
        else:
            return msgspec.UNSET
    return plain


def misfit(error: msgspec.ValidationError, plain: object, kind: type[msgspec.Struct], whole: str) -> Fault:
    """What is wrong with JSON that is no `kind`; `whole`: how to name it where all of it is wrong.

    >>> class Row(msgspec.Struct, forbid_unknown_fields=True):
    ...     weight: float
    >>> try:
    ...     msgspec.convert({"wieght": 1}, Row)
    ... except msgspec.ValidationError as error:
    ...     print(misfit(error, {"wieght": 1}, Row, "row"))
    Fault(field='wieght', value='1', fix="did you mean 'weight'? The fields are: weight")
    """
    reason, path = place(error)
    form = _form(inspect.type_info(kind), steps(path))
    named = re.search(r"(unknown|required) field `(.*)`", reason)
    if named is not None:
        field = f"{path}.{named[2]}".removeprefix(".")
        if named[1] == "required":
            return Fault(field, "", "add it")
        fields = [one.encode_name for part in form if isinstance(part, inspect.StructType) for one in part.fields]
        return Fault(field[:200], _told(plain, field), one_of(named[2], fields, "fields", "leave it out"))
    return Fault(path or whole, _told(plain, path), _remedy(form) or reason)


def choices(kind: type[msgspec.Struct], path: str) -> tuple[str, ...]:
    """What a value at a path may be, where it is one of a few; else none."""
    return _choices(_form(inspect.type_info(kind), steps(path)))


def _told(plain: object, path: str) -> str:
    found = value_at(plain, path)
    return "" if found is msgspec.UNSET else shown(found)


def _form(info: inspect.Type, path: Sequence[str]) -> Sequence[inspect.Type]:
    """The types that a value at a path may have; none where there is no such path."""
    options = info.types if isinstance(info, inspect.UnionType) else (info,)
    if not path:
        return options
    for one in options:
        if isinstance(one, inspect.StructType):
            for field in one.fields:
                if field.encode_name == path[0]:
                    return _form(field.type, path[1:])
        if isinstance(one, inspect.VarTupleType | inspect.ListType):
            return _form(one.item_type, path[1:])
    return ()


def _remedy(form: Sequence[inspect.Type]) -> str:
    words, known = [_WORDS[type(one)] for one in form if type(one) in _WORDS], _choices(form)
    words += [f"one of: {', '.join(known)}"] if known else []
    examples = [text for one in form if isinstance(one, inspect.StructType) and (text := _example(one))]
    such = f", such as {examples[0]}" if len(examples) == 1 else ""
    return f"use {' or '.join(words)}{such}" if words else ""


def _example(form: inspect.StructType) -> str:
    """An object of this form with its defaults, as JSON; empty where a field has none, or where it is long."""
    if any(one.required for one in form.fields):
        return ""
    text = msgspec.json.format(msgspec.json.encode(form.cls()), indent=0).decode()
    return text if len(text) <= _LONGEST_EXAMPLE else ""


def _choices(form: Sequence[inspect.Type]) -> tuple[str, ...]:
    return tuple(str(value) for one in form if isinstance(one, inspect.LiteralType) for value in one.values)
