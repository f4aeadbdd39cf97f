"""The tasks, features, experiments and flags that a project file declares, checked."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core import plugins
from tropism.core.errors import Fault, InvalidInput, ProjectInvalid, TropismError
from tropism.core.experiment import Experiment
from tropism.core.faults import one_of
from tropism.core.flag import Flag, read_flag
from tropism.core.governance_faults import governance_faults
from tropism.core.source_page import SourcePage
from tropism.core.task import Task
from tropism.features import Entity, FeatureView, OnDemand, StreamSource
from tropism.features.pipelines import fitting
from tropism.project.reading import loaded, read
from tropism.project.refusing import require_types, start_of
from tropism.project.vocabulary import FIELDS, NAMES, name_of, nearest, title

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.features.transformations import Pipeline
    from tropism.registry.feature_plan import Definition


def load_project(path: Path) -> tuple[Task, ...]:
    """Every `Task` bound to a name in the file, in the order of their names in it.

    The file may import modules that lie beside it.

    Raises:
        ProjectInvalid: the file is missing, does not run, or declares a task that is not valid; each fault's
            field begins with the file and the line.
    """
    page, names = loaded(path)
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
    page, names = loaded(path)
    kinds = (Entity, StreamSource, FeatureView, OnDemand)
    found = tuple({id(one): one for one in _bound(names) if isinstance(one, kinds)}.values())
    _require_unique(page, found)
    for one in found:
        if not isinstance(one, OnDemand):
            require_types(page, one, page.declaration({type(one).__name__}, one.name))
    return found


def load_experiments(path: Path) -> tuple[Experiment, ...]:
    """Every `Experiment` bound to a name in the file, or in a list or tuple that is; none where there is none.

    Raises:
        ProjectInvalid: as `load_project`, two have one name, or one is of a task that the file does not declare.
    """
    page, names = loaded(path)
    found = tuple({id(one): one for one in _bound(names) if isinstance(one, Experiment)}.values())
    _require_unique(page, found)
    tasks = {task.name for task in names.values() if isinstance(task, Task)}
    return tuple(_checked_experiment(page, one, tasks) for one in found)


def load_flags(path: Path) -> tuple[Flag, ...]:
    """Every `Flag` bound to a name in the file, or in a list or tuple that is; none where there is none.

    Raises:
        ProjectInvalid: as `load_project`, or two have one key.
    """
    page, names = loaded(path)
    found = tuple({id(one): one for one in _bound(names) if isinstance(one, Flag)}.values())
    _require_unique(page, found)
    return tuple(_checked_flag(path, one) for one in found)


def load_pipelines(path: Path) -> dict[str, Pipeline]:
    """Every `Pipeline` bound to a name in the file, by that name. Files of fitted pipelines need not be there yet.

    Raises:
        ProjectInvalid: as `load_project`.
    """
    from tropism.features.transformations import Pipeline

    with fitting():
        _, names = loaded(path)
    return {name: value for name, value in names.items() if isinstance(value, Pipeline)}


def refusal_of(path: Path, made: Task | Experiment | Flag, error: TropismError) -> ProjectInvalid:
    """What is wrong with something that the file declares, with the file and the line of each fault."""
    page = SourcePage(path.name, ast.parse(read(path), path.name), FIELDS)
    call = page.declaration({type(made).__name__}, name_of(made))
    start = start_of(page, call)
    faults = (Fault(f"{page.place(call, one.field, start)} {one.field}", one.value, one.fix) for one in error.faults)
    return ProjectInvalid(error.message, *faults)


def _checked(page: SourcePage, task: Task) -> Task:
    call = page.declaration({"Task"}, task.name)
    require_types(page, task, call)
    known = plugins.names("tropism.learners")
    for learner in task.learners:
        if learner not in known:
            field = f"{page.place(call, 'learners', start_of(page, call))} learners"
            fault = Fault(field, repr(learner), nearest(learner, known))
            raise ProjectInvalid(f"{title(task)} is not valid", fault)
    for one in [] if task.governance is None else governance_faults(task.governance, task):
        field = f"governance.{one.field}"
        where = page.place(call, field, start_of(page, call))
        raise ProjectInvalid(f"{title(task)} is not valid", Fault(f"{where} {field}", one.value, one.fix))
    return msgspec.convert(msgspec.to_builtins(task), Task)


def _checked_experiment(page: SourcePage, made: Experiment, tasks: set[str]) -> Experiment:
    """As it is after it was stored: its parameters are what JSON has."""
    call = page.declaration({"Experiment"}, made.name)
    require_types(page, made, call)
    if made.task not in tasks:
        fault = Fault("task", repr(made.task), one_of(made.task, tasks, "tasks", "declare it in this file"))
    else:
        try:
            return msgspec.json.decode(msgspec.json.encode(made), type=Experiment)
        except (TypeError, ValueError) as error:
            fault = Fault("variants", str(error), "use parameters that JSON has: numbers, texts, lists, dictionaries")
    where = page.place(call, fault.field, start_of(page, call))
    raise ProjectInvalid(f"{title(made)} is not valid", Fault(f"{where} {fault.field}", fault.value, fault.fix))


def _checked_flag(path: Path, made: Flag) -> Flag:
    """As it is after it was stored; times may be ISO 8601."""
    try:
        return read_flag(msgspec.json.decode(msgspec.json.encode(made)))
    except (InvalidInput, TypeError, ValueError) as error:
        fault = Fault("variants", str(error), "use values that JSON has: numbers, texts, lists, dictionaries")
        found = error.faults if isinstance(error, InvalidInput) else (fault,)
        own = (Fault(one.field.removeprefix("flag."), one.value, one.fix) for one in found)
        raise refusal_of(path, made, InvalidInput(f"{title(made)} is not valid", *own)) from error


def _require_unique(page: SourcePage, declared: Sequence[Task | Experiment | Flag | Definition]) -> None:
    names = [("OnDemand" if isinstance(one, OnDemand) else type(one).__name__, name_of(one)) for one in declared]
    for kind, name in names:
        if names.count((kind, name)) > 1:
            made_by = {kind, "on_demand"} if kind == "OnDemand" else {kind}
            lines = ", ".join(str(call.lineno) for call in page.declarations(made_by, name))
            where = f"{page.name}:{lines}" if lines else page.name
            many = "entities" if kind == "Entity" else f"{NAMES[kind]}s"
            raise ProjectInvalid(f"two {many} have one name", Fault(where, repr(name), "give each its own name"))


def _bound(names: dict[str, Any]) -> list[Any]:
    """What is bound to a name, or in a list or tuple that is."""
    return [part for value in names.values() for part in (value if isinstance(value, list | tuple) else (value,))]
