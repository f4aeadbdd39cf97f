"""Whether a task's requests can have what a targeting rule asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault
from tropism.core.faults import shown
from tropism.core.targeting import Among, Joined, Missing, Ordered, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tropism.core.targeting import Rule
    from tropism.core.task import Task

_TYPES = {float: "number", str: "category", bool: "boolean"}
_FIXES = {"number": "a number", "category": "a text in quotes", "boolean": "True or False"}


def untargetable(text: str, task: Task) -> list[Fault]:
    """Why a rule asks what no request can answer: a feature that the task does not have, or a constant of another type.

    Raises:
        InvalidInput: it is no rule.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="price", kind="regression", target="y", features=(Feature("amount"),))
    >>> [fault.fix for fault in untargetable("amout > 10", task)]
    ['use its features: amount']
    """
    if not text.strip():
        return []
    types = {feature.name: feature.type for feature in task.features}
    found: dict[str, Fault] = {}
    for name, constants in _asked(parse(text)):
        if name not in types:
            fix = f"use its features: {', '.join(types)}"
            found[name] = Fault("targeting", f"{shown(name)}, which the task '{task.name}' has not", fix)
            continue
        wrong = [one for one in constants if _TYPES[type(one)] != types[name]]
        if wrong:
            value = f"{name} compared with {wrong[0]!r}"
            found[name] = Fault("targeting", value, f"compare it with {_FIXES[types[name]]}: it is a {types[name]}")
    return list(found.values())


def _asked(rule: Rule) -> Iterator[tuple[str, tuple[float | str | bool, ...]]]:
    """Each attribute that a rule names, with what it is compared with."""
    if isinstance(rule, Joined):
        for part in rule.parts:
            yield from _asked(part)
    elif isinstance(rule, Among):
        yield rule.name, rule.values
    elif isinstance(rule, Ordered):
        yield rule.name, (rule.limit,)
    elif isinstance(rule, Missing):
        yield rule.name, ()
