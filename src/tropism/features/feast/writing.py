"""Definitions as the Python source that declares them."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from tropism.features.types import dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.features.feast.definitions import Converted
    from tropism.features.feast.naming import Remark
    from tropism.features.sources import AnySource
    from tropism.features.views import Entity, FeatureView, Field

_WIDTH = 88
_TAKEN = frozenset(("float", "int", "str", "bool", "datetime", "_"))
_PLAIN = {"number": "float", "integer": "int", "text": "str", "boolean": "bool", "time": "datetime"}


def as_python(converted: Converted) -> str:
    """A module that declares the same, to be `project.py` or to lie beside it; what is left out stands in comments.

    >>> from tropism.features import Entity
    >>> from tropism.features.feast import Converted
    >>> print(as_python(Converted(entities=(Entity("account", key="account_id"),))).splitlines()[-1])
    account = Entity("account", key="account_id")
    """
    names = _Names()
    entities = {one.name: names.of(one.name, "entity") for one in converted.entities}
    parts = [_call(f"{entities[one.name]} = Entity", _entity(one)) for one in converted.entities]
    for view in converted.views:
        parts.append(_call(f"{names.of(view.name, 'view')} = FeatureView", _view(view, entities[view.entity.name])))
    head = f'"""Features, taken over from {_line(converted.origin) or "Feast"}."""'.replace("\\", "/")
    blocks = [head, _imports(converted)]
    blocks += [_comment("Not taken over", converted.left_out), _comment("Different here", converted.changed)]
    return "\n\n".join(block for block in (*blocks, "\n".join(parts)) if block) + "\n"


class _Names:
    """What the declarations are bound to: each once, and none that means something else in Python."""

    def __init__(self) -> None:
        self._given: set[str] = set(_TAKEN)

    def of(self, name: str, kind: str) -> str:
        candidate, count = name, 1
        while not candidate.isidentifier() or keyword.iskeyword(candidate) or candidate in self._given:
            candidate = f"{kind}_{name}" if count == 1 else f"{kind}_{name}_{count}"
            count += 1
        self._given.add(candidate)
        return candidate


def _imports(converted: Converted) -> str:
    types = [field.dtype.kind for view in converted.views for field in view.plain]
    used = {"Entity"} if converted.entities else set()
    used |= {type(view.source).__name__ for view in converted.views}
    used |= {"FeatureView", "Field"} if converted.views else set()
    used |= {"Vector"} if "vector" in types else set()
    lines = ["from datetime import datetime", ""] if "time" in types else []
    if used:
        line = f"from tropism.features import {', '.join(sorted(used))}"
        lines += [line if len(line) <= _WIDTH else _call("from tropism.features import ", sorted(used))]
    return "\n".join(lines)


def _entity(entity: Entity) -> list[str]:
    keys = entity.keys
    key = _text(keys[0]) if len(keys) == 1 else f"({', '.join(_text(one) for one in keys)})"
    return [_text(entity.name), f"key={key}", *_said(description=entity.description)]


def _view(view: FeatureView, entity: str) -> list[str]:
    fields = "fields=[\n" + "".join(f"    {_indented(_field(one))},\n" for one in view.plain) + "]"
    parts = [_text(view.name), f"entity={entity}", _source(view.source), fields, *_said(ttl=view.ttl or "")]
    parts += ['known="event"'] if view.known == "event" else []
    parts += _said(owner=view.owner, description=view.description)
    tags = ", ".join(f"{_text(key)}: {_text(value)}" for key, value in view.tags.items())
    return [*parts, f"tags={{{tags}}}"] if tags else parts


def _source(source: AnySource) -> str:
    parts = _said(path=getattr(source, "path", ""), timestamp=source.timestamp, created=source.created)
    return _call(f"source={type(source).__name__}", parts, 4)


def _field(field: Field) -> str:
    kind = field.dtype.kind
    shown = f"Vector({dtype(field.type).size})" if kind == "vector" else _PLAIN[kind]
    column = field.column if field.column != field.name else ""
    return _call("Field", [_text(field.name), shown, *_said(column=column, description=field.description)], 8)


def _said(**given: str) -> list[str]:
    return [f"{name}={_text(value)}" for name, value in given.items() if value]


def _call(function: str, parts: Sequence[str], indent: int = 0) -> str:
    """In one line where it fits, else a line for each argument."""
    line = f"{function}({', '.join(parts)})"
    if "\n" not in line and len(line) + indent + 1 <= _WIDTH:
        return line
    return f"{function}(\n" + "".join(f"    {_indented(part)},\n" for part in parts) + ")"


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _text(text: str) -> str:
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in text else shown


def _line(text: str) -> str:
    """As it may stand in a comment or a docstring."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.replace('"', "'").split())


def _comment(title: str, remarks: Sequence[Remark]) -> str:
    return "\n".join([f"# {title}:", *(f"# - {_line(str(one))}" for one in remarks)]) if remarks else ""
