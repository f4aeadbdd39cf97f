"""Reads a project's `project.py`: the tasks, features and experiments that it declares, checked, with the line and the
fix of each mistake."""

from __future__ import annotations

import ast
import difflib
import re
import runpy
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core import plugins
from tropism.core.errors import Fault, ProjectInvalid, TropismError
from tropism.core.experiment import Experiment, Namespace, Ramp, Variant
from tropism.core.faults import one_of
from tropism.core.metric import Metric
from tropism.core.misfits import choices, place, steps, value_at
from tropism.core.monitoring import Monitoring, Rule
from tropism.core.privacy import JournalPolicy
from tropism.core.source_page import SourcePage, function_of
from tropism.core.task import Feature, Gate, Policy, Task, Triggers
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
_OF_EXPERIMENTS: tuple[type[msgspec.Struct], ...] = (Experiment, Variant, Ramp, Namespace, Metric)
_SOURCES: tuple[type[msgspec.Struct], ...] = (
    StreamSource,
    ParquetSource,
    CsvSource,
    DeltaSource,
    SqlSource,
    LakeSource,
)
_STRUCTS = {one.__name__: one for one in (*_OF_TASKS, *_OF_FEATURES, *_SOURCES, *_OF_EXPERIMENTS)}
_FIELDS = {name: one.__struct_fields__ for name, one in _STRUCTS.items()}
_NAMES = {
    "Task": "task",
    "Experiment": "experiment",
    "Entity": "entity",
    "FeatureView": "feature view",
    "StreamSource": "stream",
    "OnDemand": "on-demand feature",
}
_MANY = {
    "features": 'use a tuple: features=(Feature("a"), Feature("b"))',
    "rules": 'use a tuple: rules=(Rule("slow", "latency_p95 > 200ms"),)',
    "variants": 'use a tuple: variants=(Variant(name="now"), Variant(name="new", version=2))',
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
    kinds = (Entity, StreamSource, FeatureView, OnDemand)
    found = tuple({id(one): one for one in _bound(names) if isinstance(one, kinds)}.values())
    _require_unique(page, found)
    for one in found:
        if not isinstance(one, OnDemand):
            _require_types(page, one, page.declaration({type(one).__name__}, one.name))
    return found


def load_experiments(path: Path) -> tuple[Experiment, ...]:
    """Every `Experiment` bound to a name in the file, or in a list or tuple that is; none where there is none.

    Raises:
        ProjectInvalid: as `load_project`, two have one name, or one is of a task that the file does not declare.
    """
    page, names = _loaded(path)
    found = tuple({id(one): one for one in _bound(names) if isinstance(one, Experiment)}.values())
    _require_unique(page, found)
    tasks = {task.name for task in names.values() if isinstance(task, Task)}
    return tuple(_checked_experiment(page, one, tasks) for one in found)


def load_pipelines(path: Path) -> dict[str, Pipeline]:
    """Every `Pipeline` bound to a name in the file, by that name. Files of fitted pipelines need not be there yet.

    Raises:
        ProjectInvalid: as `load_project`.
    """
    from tropism.features.transformations import Pipeline

    with fitting():
        _, names = _loaded(path)
    return {name: value for name, value in names.items() if isinstance(value, Pipeline)}


def refusal_of(path: Path, made: Task | Experiment, error: TropismError) -> ProjectInvalid:
    """What is wrong with something that the file declares, with the file and the line of each fault."""
    page = SourcePage(path.name, ast.parse(_read(path), path.name), _FIELDS)
    call = page.declaration({type(made).__name__}, made.name)
    start = _start(page, call)
    faults = (Fault(f"{page.place(call, one.field, start)} {one.field}", one.value, one.fix) for one in error.faults)
    return ProjectInvalid(error.message, *faults)


def _loaded(path: Path) -> tuple[SourcePage, dict[str, Any]]:
    source = _read(path)
    try:
        page = SourcePage(path.name, ast.parse(source, path.name), _FIELDS)
    except (SyntaxError, ValueError) as error:
        line = f"{path.name}:{getattr(error, 'lineno', None) or 1}"
        reason = getattr(error, "msg", str(error))
        raise ProjectInvalid(f"{path.name} does not parse: {reason}", Fault(line, "", "mend this line")) from error
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


def _run(path: Path, page: SourcePage) -> dict[str, Any]:
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


def _refusal(path: Path, page: SourcePage, error: BaseException) -> ProjectInvalid:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == str(path)]
    call = page.call(frames[-1]) if frames else None
    start = f"{path.name}:{frames[-1].lineno}" if frames else path.name
    half_made = _half_made(error)
    fault = None if half_made is None else _type_fault(page, half_made, call, start)
    if fault is not None:
        return ProjectInvalid(f"{_title(half_made)} is not valid", fault)
    if isinstance(error, TropismError):
        faults = [
            Fault(f"{page.place(call, one.field, start)} {one.field}", one.value, one.fix) for one in error.faults
        ]
        return ProjectInvalid(error.message, *faults)
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ProjectInvalid(f"{path.name} does not run: {reason}", _fault(page, call, start, error))


def _fault(page: SourcePage, call: ast.Call | None, start: str, error: BaseException) -> Fault:
    struct = _STRUCTS.get(function_of(call)) if call is not None else None
    unexpected = re.search(r"Unexpected keyword argument '(\w+)'", str(error))
    if unexpected is not None:
        fields = struct.__struct_fields__ if struct is not None else _every_field()
        return Fault(page.place(call, unexpected[1], start), repr(unexpected[1]), _nearest(unexpected[1], fields))
    missing = re.search(r"[Mm]issing (?:\d+ )?required (?:[\w-]+ )?arguments?:? '(\w+)'", str(error))
    if missing is not None:
        where = "" if struct not in _OF_TASKS else "; docs/tasks.md explains every field"
        return Fault(start, "", f"add {missing[1]}=...{where}")
    if "positional arguments" in str(error) and struct not in _OF_TASKS and struct is not None:
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


def _checked(page: SourcePage, task: Task) -> Task:
    call = page.declaration({"Task"}, task.name)
    _require_types(page, task, call)
    known = plugins.names("tropism.learners")
    for learner in task.learners:
        if learner not in known:
            field = f"{page.place(call, 'learners', _start(page, call))} learners"
            fault = Fault(field, repr(learner), _nearest(learner, known))
            raise ProjectInvalid(f"{_title(task)} is not valid", fault)
    return msgspec.convert(msgspec.to_builtins(task), Task)


def _checked_experiment(page: SourcePage, made: Experiment, tasks: set[str]) -> Experiment:
    """As it is after it was stored: its parameters are what JSON has."""
    call = page.declaration({"Experiment"}, made.name)
    _require_types(page, made, call)
    if made.task not in tasks:
        fault = Fault("task", repr(made.task), one_of(made.task, tasks, "tasks", "declare it in this file"))
    else:
        try:
            return msgspec.json.decode(msgspec.json.encode(made), type=Experiment)
        except (TypeError, ValueError) as error:
            fault = Fault("variants", str(error), "use parameters that JSON has: numbers, texts, lists, dictionaries")
    where = page.place(call, fault.field, _start(page, call))
    raise ProjectInvalid(f"{_title(made)} is not valid", Fault(f"{where} {fault.field}", fault.value, fault.fix))


def _require_types(page: SourcePage, made: msgspec.Struct, call: ast.Call | None) -> None:
    fault = _type_fault(page, made, call, _start(page, call))
    if fault is not None:
        raise ProjectInvalid(f"{_title(made)} is not valid", fault)


def _require_unique(page: SourcePage, declared: Sequence[Task | Experiment | Definition]) -> None:
    names = [("OnDemand" if isinstance(one, OnDemand) else type(one).__name__, one.name) for one in declared]
    for kind, name in names:
        if names.count((kind, name)) > 1:
            made_by = {kind, "on_demand"} if kind == "OnDemand" else {kind}
            lines = ", ".join(str(call.lineno) for call in page.declarations(made_by, name))
            where = f"{page.name}:{lines}" if lines else page.name
            many = "entities" if kind == "Entity" else f"{_NAMES[kind]}s"
            raise ProjectInvalid(f"two {many} have one name", Fault(where, repr(name), "give each its own name"))


def _start(page: SourcePage, call: ast.Call | None) -> str:
    """Where a declaration begins; the file, where it is not written out."""
    return page.name if call is None else f"{page.name}:{call.lineno}"


def _bound(names: dict[str, Any]) -> list[Any]:
    """What is bound to a name, or in a list or tuple that is."""
    return [part for value in names.values() for part in (value if isinstance(value, list | tuple) else (value,))]


def _title(made: object) -> str:
    name = getattr(made, "name", None)
    kind = type(made).__name__
    return f"{_NAMES[kind]} '{name}'" if kind in _NAMES else f"a {kind}"


def _every_field() -> tuple[str, ...]:
    return tuple(sorted({name for struct in _STRUCTS.values() for name in struct.__struct_fields__}))


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(known)}"


def _shown(plain: Any, field: str) -> str:
    found = value_at(plain, field)
    text = "" if found is msgspec.UNSET else repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."
