"""What is live: an immutable snapshot of deployments that is replaced as a whole.

A request takes the snapshot once and uses it to its end, so a swap in the middle of it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from tropism.core.errors import Fault, UnknownTask
from tropism.core.faults import one_of
from tropism.core.identity import task_tag
from tropism.core.privacy import JournalPolicy
from tropism.serving.flags import NO_FLAGS
from tropism.serving.lanes import Lane
from tropism.serving.rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tropism.core.events import Value
    from tropism.core.task import Task
    from tropism.features.store.reading import Read
    from tropism.features.streams.reading import EventReader
    from tropism.learners.base import Floats, Times
    from tropism.learners.encoding import Encoding
    from tropism.registry.experiments import Trial
    from tropism.serving.flags import LiveFlags


class Servable(Protocol):
    """What serving needs of a model, such as `learners.model.Model`. Safe to call from several threads."""

    @property
    def encoding(self) -> Encoding:
        """How features become numbers; says which categories the model knows."""
        ...

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Times | None = None) -> Floats:
        """Scores of shape (n, 1) for binary and regression tasks, (n, classes) for multiclass ones.

        `at` (n,): the moments of prediction, µs since the epoch.
        """
        ...


@runtime_checkable
class Compiled(Protocol):
    """What the short way needs of a model besides."""

    @property
    def short(self) -> Callable[[Sequence[float]], Floats] | None:
        """Scores (1, outputs) of one row of codes; None if there is no shorter way than `predict_matrix`."""
        ...

    def predict_matrix(self, codes: Floats, at: Times | None = None) -> Floats:
        """Scores (n, outputs) of codes (n, features)."""
        ...


class StoredFeatures(Protocol):
    """Reads features, such as `features.store.FeatureReader`. Safe in any thread."""

    @property
    def remote(self) -> bool:
        """Whether reading waits for another machine."""
        ...

    def read(
        self, keys: Sequence[Mapping[str, Any]], requests: Sequence[Mapping[str, Any]], now: int, at: int | None = None
    ) -> list[Read]:
        """Features at the moment `at` for each request. Raises `InvalidInput`, or what its stores raise."""
        ...


class NamedFeatures(StoredFeatures, Protocol):
    """Reads features that were asked for by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features, each once."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that entities are named by."""
        ...


class FeatureReaders(Protocol):
    """Makes what reads features, such as `featurestore.readers.Readers`. Safe in any thread."""

    def kept(self, names: Sequence[str]) -> NamedFeatures | None:
        """What reads these features, if it was made before; at once."""
        ...

    def __call__(self, names: Sequence[str]) -> NamedFeatures:
        """What reads these features. Raises `UnknownFeature`, or what opening its stores raises."""
        ...


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version of a task's model, in memory. `categories`: those that it knows, by feature."""

    version: int
    model: Servable
    categories: Mapping[str, frozenset[str]] = field(init=False, repr=False, compare=False)
    _lanes: list[tuple[Task, Lane | None]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = self.model.encoding.facts.columns
        known = {one.name: frozenset(one.categories) for one in columns if one.type == "category"}
        object.__setattr__(self, "categories", known)
        object.__setattr__(self, "_lanes", [])

    def lane(self, task: Task) -> Lane | None:
        """The short way to this model, compiled once; None if it has none."""
        if not self._lanes or self._lanes[0][0] != task:
            self._lanes[:] = [(task, _compiled(task, self))]
        return self._lanes[0][1]


def _compiled(task: Task, served: ServedModel) -> Lane | None:
    model = served.model
    if not isinstance(model, Compiled):
        return None
    try:
        return Lane(task, model.encoding.facts.columns, served.version)
    except KeyError:  # the model has a feature that the task has no more
        return None


UNAVAILABLE = "treatment-unavailable"


class Seat(NamedTuple):
    """What answers a row: the variant as it is recorded, and the model that is asked first; None is the champion.

    `degraded`: what is already known to be wrong, `treatment-unavailable`. `propensity`: with which a bandit chose it.
    """

    variant: str
    model: ServedModel | None
    degraded: tuple[str, ...] = ()
    propensity: float | None = None


class Splitting(Protocol):
    """An experiment that runs, such as `serving.trials.RunningTrial`."""

    @property
    def trial(self) -> Trial:
        """The experiment, and how far it is."""
        ...

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """Of the treatments that could be loaded, by variant."""
        ...

    def seat(self, ask: Any) -> Seat | None:
        """Of a row (`requests.Ask`) whose unit takes part; None where it does not, or where the row names no unit."""
        ...


class Mirrored(Protocol):
    """An experiment in which treatments are sent what the control answers, such as `serving.mirroring.Mirror`."""

    @property
    def trial(self) -> Trial:
        """The experiment."""
        ...

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """Of the treatments that could be loaded, by variant."""
        ...

    def takes(self, row: Mapping[str, Value], entity: str | None, unit: str | None) -> bool:
        """Whether the treatments are sent this row."""
        ...


@dataclass(frozen=True, slots=True)
class Deployment:
    """What answers for one task.

    `served` answers; when it fails, `previous`; when that fails too, the baseline, which is `prior` (one
    number, or one a class) if it is known. `degraded`: what is already known to be wrong.
    `private`: not all of its predictions may be recorded; then there is no `lane`, as replies have more to say.
    `features`: reads the features that come from the store, for a task with views; None where they cannot be read.
    `trials`: experiments that split its traffic. `mirrors`: those whose
    treatments are sent what it answers.
    """

    task: Task
    served: ServedModel | None = None
    previous: ServedModel | None = None
    prior: tuple[float, ...] | None = None
    degraded: tuple[str, ...] = ()
    features: StoredFeatures | None = None
    trials: tuple[Splitting, ...] = ()
    mirrors: tuple[Mirrored, ...] = ()
    rows: RowReader = field(init=False, repr=False, compare=False)
    lane: Lane | None = field(init=False, repr=False, compare=False)
    tag: int = field(init=False)
    private: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", RowReader(self.task))
        object.__setattr__(self, "private", self.task.journal != JournalPolicy())
        plain = None if self.degraded or self.private or self.task.views else self.served
        object.__setattr__(self, "lane", None if plain is None else plain.lane(self.task))
        object.__setattr__(self, "tag", task_tag(self.task.name))

    @property
    def baseline(self) -> tuple[float, ...]:
        """Scores that need no model."""
        if self.prior is not None:
            return self.prior
        if self.task.kind == "multiclass":
            return (1 / len(self.task.classes),) * len(self.task.classes)
        return (0.5,) if self.task.kind == "binary" else (0.0,)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All deployments by task name, as of one generation of the registry.

    `incomplete`: some model could not be loaded, and loading it should be tried again. `streams`: by name, what reads
    the events that are pushed. `features`: what reads features by name; None where there are none. `flags`: the
    feature flags.
    """

    generation: int
    deployments: Mapping[str, Deployment]
    incomplete: bool = False
    tagged: Mapping[int, tuple[Deployment, ...]] = field(init=False, repr=False, compare=False)
    streams: Mapping[str, EventReader] = field(default_factory=dict)
    features: FeatureReaders | None = None
    flags: LiveFlags = NO_FLAGS

    def __post_init__(self) -> None:
        tagged: dict[int, tuple[Deployment, ...]] = {}
        for deployment in self.deployments.values():
            tagged[deployment.tag] = (*tagged.get(deployment.tag, ()), deployment)
        object.__setattr__(self, "tagged", tagged)

    def deployment(self, task: str) -> Deployment:
        """The deployment of a task.

        Raises:
            UnknownTask: there is none; lists those that there are.
        """
        found = self.deployments.get(task)
        if found is not None:
            return found
        fix = one_of(task, self.deployments, "tasks", "declare it in project.py and run `tropism apply`")
        raise UnknownTask(f"there is no task '{task[:100]}'", Fault("task", task[:100], fix))


class SnapshotHolder:
    """The one reference that a swap replaces. Written by the watcher's thread, read by any.

    `current` is None until the first snapshot is loaded. `problem` says why the newest could not be, and is
    empty when all is well; `failures` counts such loads.
    """

    def __init__(self, current: Snapshot | None = None) -> None:
        self.current = current
        self.problem = ""
        self.failures = 0
