"""What is wrong with a project file: the line, the value that was there, and the fix."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, ProjectInvalid, TropismError
from tropism.core.misfits import choices, place, steps, value_at
from tropism.core.source_page import function_of
from tropism.project.vocabulary import OF_TASKS, STRUCTS, every_field, nearest, title

if TYPE_CHECKING:
    import ast
    from pathlib import Path

    from tropism.core.source_page import SourcePage

_MANY = {
    "features": 'use a tuple: features=(Feature("a"), Feature("b"))',
    "rules": 'use a tuple: rules=(Rule("slow", "latency_p95 > 200ms"),)',
    "variants": 'use a tuple: variants=(Variant(name="now"), Variant(name="new", version=2))',
    "governance.levels": 'use a tuple: levels=(Level(name="staging"), Level(name="production"))',
    "metrics": 'use a tuple: metrics=(Metric(name="loss", role="decision"),)',
    "ramp.steps": "use a tuple: steps=(0.05, 0.5, 1.0)",
    "fields": 'use a list: fields=[Field("a"), Field("b")]',
}
_WRITTEN = {
    "array": "a tuple, such as ('a', 'b')",
    "bool": "True or False",
    "float": "a number",
    "int": "a whole number",
    "str": "text in quotes",
}
_MADE_OF = {
    "features": "Feature",
    "policy": "Policy",
    "governance": "Governance",
    "levels": "Level",
    "gates": "MetricGate",
    "promotion": "ApprovalGate",
    "gate": "Gate",
    "triggers": "Triggers",
    "journal": "JournalPolicy",
    "monitoring": "Monitoring",
    "rules": "Rule",
    "variants": "Variant",
    "metrics": "Metric",
    "ramp": "Ramp",
    "namespace": "Namespace",
    "entity": "Entity",
    "source": "ParquetSource",
    "fields": "Field",
}


def refusal(path: Path, page: SourcePage, error: BaseException) -> ProjectInvalid:
    """What a project file that does not run is refused with."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == str(path)]
    call = page.call(frames[-1]) if frames else None
    start = f"{path.name}:{frames[-1].lineno}" if frames else path.name
    half_made = _half_made(error)
    fault = None if half_made is None else _type_fault(page, half_made, call, start)
    if fault is not None:
        return ProjectInvalid(f"{title(half_made)} is not valid", fault)
    if isinstance(error, TropismError):
        faults = [
            Fault(f"{page.place(call, one.field, start)} {one.field}", one.value, one.fix) for one in error.faults
        ]
        return ProjectInvalid(error.message, *faults)
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ProjectInvalid(f"{path.name} does not run: {reason}", _fault(page, call, start, error))


def require_types(page: SourcePage, made: msgspec.Struct, call: ast.Call | None) -> None:
    """Raises `ProjectInvalid` if a field's value is of a wrong type."""
    fault = _type_fault(page, made, call, start_of(page, call))
    if fault is not None:
        raise ProjectInvalid(f"{title(made)} is not valid", fault)


def start_of(page: SourcePage, call: ast.Call | None) -> str:
    """Where a declaration begins; the file, where it is not written out."""
    return page.name if call is None else f"{page.name}:{call.lineno}"


def _fault(page: SourcePage, call: ast.Call | None, start: str, error: BaseException) -> Fault:
    struct = STRUCTS.get(function_of(call)) if call is not None else None
    unexpected = re.search(r"Unexpected keyword argument '(\w+)'", str(error))
    if unexpected is not None:
        fields = struct.__struct_fields__ if struct is not None else every_field()
        return Fault(page.place(call, unexpected[1], start), repr(unexpected[1]), nearest(unexpected[1], fields))
    missing = re.search(r"[Mm]issing (?:\d+ )?required (?:[\w-]+ )?arguments?:? '(\w+)'", str(error))
    if missing is not None:
        where = "" if struct not in OF_TASKS else "; docs/tasks.md explains every field"
        return Fault(start, "", f"add {missing[1]}=...{where}")
    if "positional arguments" in str(error) and struct not in OF_TASKS and struct is not None:
        return Fault(start, "", f"name the arguments: {', '.join(f'{name}=' for name in struct.__struct_fields__)}")
    if "positional arguments" in str(error):
        return Fault(start, "", 'name the arguments: Task(name="payments", kind="binary", ...)')
    if isinstance(error, ModuleNotFoundError):
        return Fault(start, repr(error.name), "install it, or put the module beside project.py")
    return Fault(start, "", "mend this line")


def _half_made(error: BaseException) -> msgspec.Struct | None:
    """The struct whose own checks met a value that they could not even look at."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        made = frame.f_locals.get("self")
        if frame.f_code.co_name == "__post_init__" and isinstance(made, msgspec.Struct):
            return made
    return None


def _type_fault(page: SourcePage, made: msgspec.Struct, call: ast.Call | None, start: str) -> Fault | None:
    """The value of the wrong type, found by a round trip, since a struct's constructor takes anything."""
    try:
        plain = msgspec.to_builtins(made)
        msgspec.convert(plain, type(made))
    except msgspec.ValidationError as error:
        reason, field = place(error)
        return Fault(f"{page.place(call, field, start)} {field}", _shown(plain, field), _remedy(reason, made, field))
    except (TypeError, TropismError):
        return None
    return None


def _remedy(reason: str, made: msgspec.Struct, field: str) -> str:
    known = choices(type(made), field)
    if "enum" in reason and known:
        return f"use one of: {', '.join(known)}"
    expected = re.match(r"Expected `([\w |]+)`", reason)
    if expected is None:
        return reason
    struct = next((_MADE_OF[part] for part in reversed(steps(field)) if part in _MADE_OF), "object")
    if expected[1] == "object":
        return f"write {struct}(...)"
    if field in _MANY:
        return _MANY[field]
    written = _WRITTEN | {"object": f"{struct}(...)", "null": "None"}
    words = [written.get(word, word) for word in expected[1].split(" | ")]
    return f"use {' or '.join(words)}"


def _shown(plain: Any, field: str) -> str:
    found = value_at(plain, field)
    text = "" if found is msgspec.UNSET else repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."
