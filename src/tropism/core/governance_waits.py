"""What of a policy can never come together: times that exclude each other, and roles that too few people have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.durations import format_duration, parse_duration
from tropism.core.errors import Fault
from tropism.core.governance import DataGate, TimeGate
from tropism.core.identity import person

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.governance import Level


def age_faults(levels: Sequence[Level]) -> list[Fault]:
    """Time gates that contradict each other, and training sets that are too old by the time a version gets there.
    The levels, lowest first, are valid one by one.

    >>> from tropism.core.governance import Level
    >>> young = Level(name="live", gates=(TimeGate(level="staging", least="2d"), DataGate(most_age="1d")))
    >>> [fault.field for fault in age_faults((Level(name="staging"), young))]
    ['levels.live.data.most_age']
    """
    faults: list[Fault] = []
    least: dict[str, int] = {}
    for level in levels:
        waits = [gate for gate in level.gates if isinstance(gate, TimeGate)]
        places = sorted({gate.level for gate in waits})
        if len(places) > 1:
            fix = f"keep one of them: a version comes from one level, not from {' and '.join(places)} at once"
            faults.append(Fault(f"levels.{level.name}.time.level", ", ".join(places), fix))
        age = max((least[gate.level] + parse_duration(gate.least) for gate in waits), default=0)
        least[level.name] = age
        for gate in level.gates:
            if isinstance(gate, DataGate) and age and parse_duration(gate.most_age) <= age:
                told = f"no version gets here before its rows are {format_duration(age)} old"
                field = f"levels.{level.name}.data.most_age"
                faults.append(Fault(field, repr(gate.most_age), f"use more than {format_duration(age)}: {told}"))
    return faults


def unfilled(field: str, roles: Mapping[str, Sequence[str]]) -> list[Fault]:
    """A fault if there are not as many people as roles, each of whom acts in one of them. A role without people may be
    taken by anybody.

    >>> unfilled("approval", {"risk": ("ann",), "legal": ("Ann ", "ann")})[0].fix
    'give these roles more people: nobody approves in two of them'
    """
    people = {role: {person(one) for one in named} for role, named in roles.items() if named}
    taken: dict[str, str] = {}

    def place(role: str, tried: set[str]) -> bool:
        for one in sorted(people[role] - tried):
            tried.add(one)
            if one not in taken or place(taken[one], tried):
                taken[one] = role
                return True
        return False

    if all(place(role, set()) for role in people):
        return []
    fix = "give these roles more people: nobody approves in two of them"
    return [Fault(f"{field}.roles", ", ".join(people), fix)]
