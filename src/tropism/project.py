"""Reads a project's `project.py`: the tasks and features that it declares, checked, with the line and the fix of each
mistake."""

from __future__ import annotations

import ast
import difflib
import re
import runpy
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from tropism.core import plugins
from tropism.core.errors import Fault, ProjectInvalid, TropismError
from tropism.core.monitoring import Monitoring, Rule
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Dtype, Feature, Gate, Kind, Policy, Task, Triggers
from tropism.features import (
    Aggregation,
    CsvSource,
    DeltaSource,
    Entity,
    FeatureView,
    Field,
    LakeSource,
    OnDemand,
    ParquetSource,
    SqlSource,
    StreamSource,
)
from tropism.features.pipelines import fitting
from tropism.features.views import Known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tropism.features.transformations import Pipeline
    from tropism.registry.feature_plan import Definition

_OF_TASKS: tuple[type[msgspec.Struct], ...] = (
    Task,
    Feature,
    Policy,
    Gate,
    Triggers,
    JournalPolicy,
    Monitoring,
    Rule,
)
_OF_FEATURES: tuple[type[msgspec.Struct], ...] = (Entity, FeatureView, Field, Aggregation)
_SOURCES: tuple[type[msgspec.Struct], ...] = (
    StreamSource,
    ParquetSource,
    CsvSource,
    DeltaSource,
    SqlSource,
    LakeSource,
)
_STRUCTS = {one.__name__: one for one in (*_OF_TASKS, *_OF_FEATURES, *_SOURCES)}
_NAMES = {
    "Task": "task",
    "Entity": "entity",
    "FeatureView": "feature view",
    "StreamSource": "stream",
    "OnDemand": "on-demand feature",
}
_MANY = {
    "features": 'use a tuple: features=(Feature("a"), Feature("b"))',
    "rules": 'use a tuple: rules=(Rule("slow", "latency_p95 > 200ms"),)',
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
    "gate": "Gate",
    "triggers": "Triggers",
    "journal": "JournalPolicy",
    "monitoring": "Monitoring",
    "rules": "Rule",
    "entity": "Entity",
    "source": "ParquetSource",
    "fields": "Field",
}
_CHOICES = {"kind": get_args(Kind), "type": get_args(Dtype), "known": get_args(Known)}


def load_project(path: Path) -> tuple[Task, ...]:
    """Every `Task` bound to a name in the file, in the order of their names in it.

    The file may import modules that lie beside it.

    Raises:
        ProjectInvalid: the file is missing, does not run, or declares a task that is not valid; each fault's
            field begins with the file and the line.
    """
    page, names = _loaded(path)
    tasks = tuple({id(value): value for value in names.values() if isinstance(value, Task)}.values())
    if not tasks:
        fix = 'bind a Task to a name: payments = Task(name="payments", ...)'
        raise ProjectInvalid(f"{path.name} declares no task", Fault(path.name, "", fix))
    _require_unique(page, tasks)
    return tuple(_checked(page, task) for task in tasks)


def load_features(path: Path) -> tuple[Definition, ...]:
    """Every `Entity`, `StreamSource`, `FeatureView` and `OnDemand` bound to a name in the file, or in a list or tuple
    that is bound to one; none where the file declares none.

    Raises:
        ProjectInvalid: as `load_project`, or two of a kind have one name.
    """
    page, names = _loaded(path)
    bound = [part for value in names.values() for part in (value if isinstance(value, list | tuple) else (value,))]
    kinds = (Entity, StreamSource, FeatureView, OnDemand)
    found = tuple({id(one): one for one in bound if isinstance(one, kinds)}.values())
    _require_unique(page, found)
    for one in found:
        if not isinstance(one, OnDemand):
            _require_types(page, one, page.declaration(type(one).__name__, one.name))
    return found


def load_pipelines(path: Path) -> dict[str, Pipeline]:
    """Every `Pipeline` bound to a name in the file, by that name. Files of fitted pipelines need not be there yet.

    Raises:
        ProjectInvalid: as `load_project`.
    """
    from tropism.features.transformations import Pipeline

    with fitting():
        _, names = _loaded(path)
    return {name: value for name, value in names.items() if isinstance(value, Pipeline)}


def refusal_of(path: Path, task: Task, error: TropismError) -> ProjectInvalid:
    """What is wrong with a task that the file declares, with the file and the line of each fault."""
    page = _Page(path.name, ast.parse(_read(path), path.name))
    call = page.declaration("Task", task.name)
    place = page.name if call is None else f"{page.name}:{call.lineno}"
    faults = (Fault(f"{page.place(call, one.field, place)} {one.field}", one.value, one.fix) for one in error.faults)
    return ProjectInvalid(error.message, *faults)


def _loaded(path: Path) -> tuple[_Page, dict[str, Any]]:
    source = _read(path)
    try:
        page = _Page(path.name, ast.parse(source, path.name))
    except (SyntaxError, ValueError) as error:
        place = f"{path.name}:{getattr(error, 'lineno', None) or 1}"
        reason = getattr(error, "msg", str(error))
        raise ProjectInvalid(f"{path.name} does not parse: {reason}", Fault(place, "", "mend this line")) from error
    return page, _run(path, page)


def _read(path: Path) -> bytes:
    fix = "make a project with `tropism init`, or name its folder: `tropism -C FOLDER ...`"
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ProjectInvalid(f"there is no {path.name} in {path.parent}", Fault(str(path), "", fix)) from error
    except OSError as error:
        fault = Fault(str(path), error.strerror or "", "make it a file that you may read")
        raise ProjectInvalid(f"{path.name} cannot be read", fault) from error


def _run(path: Path, page: _Page) -> dict[str, Any]:
    try:
        with _importable(path.parent):
            return runpy.run_path(str(path), run_name="tropism_project")
    except (Exception, SystemExit) as error:  # a project file may raise anything
        raise _refusal(path, page, error) from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = before


def _refusal(path: Path, page: _Page, error: BaseException) -> ProjectInvalid:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == str(path)]
    call = page.call(frames[-1]) if frames else None
    place = f"{path.name}:{frames[-1].lineno}" if frames else path.name
    half_made = _half_made(error)
    fault = None if half_made is None else _type_fault(page, half_made, call, place)
    if fault is not None:
        return ProjectInvalid(f"{_title(half_made)} is not valid", fault)
    if isinstance(error, TropismError):
        faults = [
            Fault(f"{page.place(call, one.field, place)} {one.field}", one.value, one.fix) for one in error.faults
        ]
        return ProjectInvalid(error.message, *faults)
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ProjectInvalid(f"{path.name} does not run: {reason}", _fault(page, call, place, error))


def _fault(page: _Page, call: ast.Call | None, place: str, error: BaseException) -> Fault:
    struct = _STRUCTS.get(_function(call)) if call is not None else None
    unexpected = re.search(r"Unexpected keyword argument '(\w+)'", str(error))
    if unexpected is not None:
        fields = struct.__struct_fields__ if struct is not None else _every_field()
        return Fault(page.place(call, unexpected[1], place), repr(unexpected[1]), _nearest(unexpected[1], fields))
    missing = re.search(r"[Mm]issing (?:\d+ )?required (?:[\w-]+ )?arguments?:? '(\w+)'", str(error))
    if missing is not None:
        where = "" if struct not in _OF_TASKS else "; docs/tasks.md explains every field"
        return Fault(place, "", f"add {missing[1]}=...{where}")
    if "positional arguments" in str(error) and struct not in _OF_TASKS and struct is not None:
        return Fault(place, "", f"name the arguments: {', '.join(f'{name}=' for name in struct.__struct_fields__)}")
    if "positional arguments" in str(error):
        return Fault(place, "", 'name the arguments: Task(name="payments", kind="binary", ...)')
    if isinstance(error, ModuleNotFoundError):
        return Fault(place, repr(error.name), "install it, or put the module beside project.py")
    return Fault(place, "", "mend this line")


def _half_made(error: BaseException) -> msgspec.Struct | None:
    """The struct whose own checks met a value that they could not even look at."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        made = frame.f_locals.get("self")
        if frame.f_code.co_name == "__post_init__" and isinstance(made, msgspec.Struct):
            return made
    return None


def _type_fault(page: _Page, made: msgspec.Struct, call: ast.Call | None, place: str) -> Fault | None:
    """The value of the wrong type, found by a round trip, since a struct's constructor takes anything."""
    try:
        plain = msgspec.to_builtins(made)
        msgspec.convert(plain, type(made))
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        field = where.rstrip("`")
        return Fault(f"{page.place(call, field, place)} {field}", _shown(plain, field), _remedy(reason, field))
    except (TypeError, TropismError):
        return None
    return None


def _remedy(reason: str, field: str) -> str:
    name = _parts(field)[-1] if field else ""
    if "enum" in reason and name in _CHOICES:
        return f"use one of: {', '.join(_CHOICES[name])}"
    expected = re.match(r"Expected `([\w |]+)`", reason)
    if expected is None:
        return reason
    if expected[1] == "object":
        struct = next((_MADE_OF[part] for part in reversed(_parts(field)) if part in _MADE_OF), "object")
        return f"write {struct}(...)"
    if field in _MANY:
        return _MANY[field]
    words = [_WRITTEN.get(word, "None" if word == "null" else word) for word in expected[1].split(" | ")]
    return f"use {' or '.join(words)}"


def _checked(page: _Page, task: Task) -> Task:
    call = page.declaration("Task", task.name)
    _require_types(page, task, call)
    place = page.name if call is None else f"{page.name}:{call.lineno}"
    known = plugins.names("tropism.learners")
    for learner in task.learners:
        if learner not in known:
            fault = Fault(f"{page.place(call, 'learners', place)} learners", repr(learner), _nearest(learner, known))
            raise ProjectInvalid(f"{_title(task)} is not valid", fault)
    return msgspec.convert(msgspec.to_builtins(task), Task)


def _require_types(page: _Page, made: msgspec.Struct, call: ast.Call | None) -> None:
    place = page.name if call is None else f"{page.name}:{call.lineno}"
    fault = _type_fault(page, made, call, place)
    if fault is not None:
        raise ProjectInvalid(f"{_title(made)} is not valid", fault)


def _require_unique(page: _Page, declared: Sequence[Task | Definition]) -> None:
    names = [("OnDemand" if isinstance(one, OnDemand) else type(one).__name__, one.name) for one in declared]
    for kind, name in names:
        if names.count((kind, name)) > 1:
            lines = ", ".join(str(call.lineno) for call in page.declarations(kind, name))
            place = f"{page.name}:{lines}" if lines else page.name
            many = "entities" if kind == "Entity" else f"{_NAMES[kind]}s"
            raise ProjectInvalid(f"two {many} have one name", Fault(place, repr(name), "give each its own name"))


def _title(made: object) -> str:
    name = getattr(made, "name", None)
    kind = type(made).__name__
    return f"{_NAMES[kind]} '{name}'" if kind in _NAMES else f"a {kind}"


def _every_field() -> tuple[str, ...]:
    return tuple(sorted({name for struct in _STRUCTS.values() for name in struct.__struct_fields__}))


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(known)}"


def _parts(field: str) -> list[str]:
    """The steps of a field's path.

    >>> _parts("features[0].type")
    ['features', '0', 'type']
    """
    return re.findall(r"[^.\[\]]+", field)


def _shown(plain: Any, field: str) -> str:
    for part in _parts(field):
        try:
            plain = plain[part] if isinstance(plain, dict) else plain[int(part)]
        except (KeyError, IndexError, TypeError, ValueError):
            return ""
    text = repr(plain)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _function(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


class _Page:
    """The text of a project file: where each call and each of its arguments stands."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self._calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]

    def call(self, frame: traceback.FrameSummary) -> ast.Call | None:
        """The call that a frame was in."""
        where = (frame.lineno, frame.colno, frame.end_lineno, frame.end_colno)
        for call in self._calls:
            if (call.lineno, call.col_offset, call.end_lineno, call.end_col_offset) == where:
                return call
        return None

    def declarations(self, kind: str, name: str) -> list[ast.Call]:
        """The calls that make one of a kind, such as a `Task`, of that name, as far as it is written out in them."""
        made_by = {kind, "on_demand"} if kind == "OnDemand" else {kind}
        return [call for call in self._calls if _function(call) in made_by and _says(call, name)]

    def declaration(self, kind: str, name: str) -> ast.Call | None:
        found = self.declarations(kind, name)
        return found[0] if len(found) == 1 else None

    def place(self, call: ast.Call | None, field: str, otherwise: str) -> str:
        """File and line of a call's argument, as far down its path as it is written out."""
        if call is None:
            return otherwise
        node: ast.expr | None = call
        line = call.lineno
        for part in _parts(field):
            node = _step(node, part)
            if node is None:
                break
            line = node.lineno
        return f"{self.name}:{line}"


def _says(call: ast.Call, name: str) -> bool:
    value = _step(call, "name")
    return isinstance(value, ast.Constant) and value.value == name


def _step(node: ast.expr | None, part: str) -> ast.expr | None:
    """An argument of a call by its name, an element of a tuple or list by its number or its own name."""
    if isinstance(node, ast.Call):
        named = next((one.value for one in node.keywords if one.arg == part), None)
        fields = getattr(_STRUCTS.get(_function(node)), "__struct_fields__", ())
        position = fields.index(part) if part in fields else len(node.args)
        return named or (node.args[position] if position < len(node.args) else None)
    if isinstance(node, ast.Tuple | ast.List):
        if part.isdigit():
            return node.elts[int(part)] if int(part) < len(node.elts) else None
        return next((one for one in node.elts if isinstance(one, ast.Call) and _says(one, part)), None)
    return None
