"""What a project file may declare, and what it is called in words."""

from __future__ import annotations

import difflib
from typing import Any, get_args

import msgspec

from tropism.core.experiment import Experiment, Namespace, Ramp, Variant
from tropism.core.flag import Flag, FlagEnvironment, FlagRule, Prerequisite
from tropism.core.governance import Gate as AnyGate
from tropism.core.governance import Governance, Level
from tropism.core.metric import Metric
from tropism.core.monitoring import Monitoring, Rule
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Gate, Policy, Task, Triggers
from tropism.features import (
    Aggregation,
    CsvSource,
    DeltaSource,
    Entity,
    FeatureView,
    Field,
    LakeSource,
    ParquetSource,
    SqlSource,
    StreamSource,
)

OF_TASKS: tuple[type[msgspec.Struct], ...] = (
    Task,
    Feature,
    Policy,
    Gate,
    Triggers,
    JournalPolicy,
    Monitoring,
    Rule,
)
_OF_LEVELS: tuple[type[msgspec.Struct], ...] = (Governance, Level, *get_args(AnyGate))
_OF_FEATURES: tuple[type[msgspec.Struct], ...] = (Entity, FeatureView, Field, Aggregation)
_OF_EXPERIMENTS: tuple[type[msgspec.Struct], ...] = (Experiment, Variant, Ramp, Namespace, Metric)
_OF_FLAGS: tuple[type[msgspec.Struct], ...] = (Flag, FlagRule, FlagEnvironment, Prerequisite)
_SOURCES: tuple[type[msgspec.Struct], ...] = (
    StreamSource,
    ParquetSource,
    CsvSource,
    DeltaSource,
    SqlSource,
    LakeSource,
)
STRUCTS = {
    one.__name__: one for one in (*OF_TASKS, *_OF_LEVELS, *_OF_FEATURES, *_SOURCES, *_OF_EXPERIMENTS, *_OF_FLAGS)
}
FIELDS = {name: one.__struct_fields__ for name, one in STRUCTS.items()}
NAMES = {
    "Task": "task",
    "Experiment": "experiment",
    "Flag": "flag",
    "Entity": "entity",
    "FeatureView": "feature view",
    "StreamSource": "stream",
    "OnDemand": "on-demand feature",
}


def name_of(made: Any) -> str:
    """The name, or the key, of what is declared."""
    return str(made.key if isinstance(made, Flag) else made.name)


def title(made: object) -> str:
    """What is declared, in words."""
    name = made.key if isinstance(made, Flag) else getattr(made, "name", None)
    kind = type(made).__name__
    return f"{NAMES[kind]} '{name}'" if kind in NAMES else f"a {kind}"


def every_field() -> tuple[str, ...]:
    """The fields of all that may be declared."""
    return tuple(sorted({name for struct in STRUCTS.values() for name in struct.__struct_fields__}))


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The fix of a name that is not known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(known)}"
