"""Reads a project's `project.py`: the tasks that it declares, checked, with the line of each mistake."""

from __future__ import annotations

import difflib
import re
import runpy
import traceback
from typing import TYPE_CHECKING

import msgspec

from tropism.core import plugins
from tropism.core.errors import Fault, ProjectInvalid, TropismError
from tropism.core.task import Feature, Gate, Policy, Task, Triggers

if TYPE_CHECKING:
    from pathlib import Path

_STRUCTS = {struct.__name__: struct for struct in (Task, Feature, Policy, Gate, Triggers)}


def load_project(path: Path) -> tuple[Task, ...]:
    """Every `Task` bound to a name in the file, in the order of their names in it.

    Raises:
        ProjectInvalid: the file is missing, does not run, or declares a task that is not valid; the fault's
            field is the file and line.
    """
    if not path.exists():
        raise ProjectInvalid(f"there is no {path.name} in {path.parent}", Fault(str(path), "", "run `tropism init`"))
    try:
        names = runpy.run_path(str(path), run_name="tropism_project")
    except SyntaxError as error:
        place = f"{path.name}:{error.lineno}"
        raise ProjectInvalid(f"{path.name} does not parse: {error.msg}", Fault(place, "", "mend this line")) from error
    except TropismError as error:
        place = _place(path, error)
        faults = [Fault(f"{place} {fault.field}", fault.value, fault.fix) for fault in error.faults]
        raise ProjectInvalid(error.message, *faults) from error
    except Exception as error:  # a project file may raise anything
        raise ProjectInvalid(f"{path.name} does not run: {error}", _fault(path, error)) from error
    tasks = tuple({id(value): value for value in names.values() if isinstance(value, Task)}.values())
    if not tasks:
        raise ProjectInvalid(f"{path.name} declares no task", Fault(path.name, "", "bind a tropism.Task to a name"))
    return tuple(_checked(path, task) for task in _unique(path, tasks))


def _checked(path: Path, task: Task) -> Task:
    """Types are checked by a round trip, since a struct's constructor takes anything."""
    known = plugins.names("tropism.learners")
    for learner in task.learners:
        if learner not in known:
            fix = f"use some of: {', '.join(known)}"
            raise ProjectInvalid(f"task '{task.name}' is not valid", Fault(f"{path.name} learners", repr(learner), fix))
    try:
        return msgspec.convert(msgspec.to_builtins(task), Task)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        field = f"{path.name} {where.rstrip('`')}"
        raise ProjectInvalid(f"task '{task.name}' is not valid", Fault(field, "", reason)) from error


def _unique(path: Path, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise ProjectInvalid("two tasks have one name", Fault(path.name, repr(name), "give each its own name"))
    return tasks


def _place(path: Path, error: BaseException) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path.name}:{lines[-1]}" if lines else path.name


def _fault(path: Path, error: Exception) -> Fault:
    place = _place(path, error)
    unexpected = re.search(r"Unexpected keyword argument '(\w+)'", str(error))
    if unexpected is None:
        return Fault(place, "", "mend this line")
    fields = sorted({name for struct in _STRUCTS.values() for name in struct.__struct_fields__})
    close = difflib.get_close_matches(unexpected[1], fields, n=1)
    return Fault(place, repr(unexpected[1]), f"did you mean '{close[0]}'?" if close else f"use: {', '.join(fields)}")
