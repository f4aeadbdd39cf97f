"""What goes through the journal: predictions made, outcomes learnt, events pushed into streams, and what serving took.

Events are facts: immutable, append-only, encoded as MessagePack. Times are µs since the epoch, UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

CURSOR = "ingestion"
"""Name of the cursor that tells how far each of the journal's writers is in the lake, a mapping."""

Value = float | str | bool | None
"""A feature's value as it was sent: number, category, boolean, or missing."""


_R10 = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800)
LATENCY_BOUNDS = (*(round(base * 10.0**power / 1e6, 9) for power in range(5) for base in _R10), 10.0)
"""Upper bounds of the buckets of latencies, in seconds: ten a decade (ISO 3, R10) from 0.1 ms to 10 s, and an open one.

Rows in the lake are counts by these, so they never change.
"""

PINNED = "pinned"
"""The variant of predictions by a version that the caller asked for. They are in no cohort."""


class Served(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a prediction's features from the store came from, so that they can be computed again.

    `keys`: of the entities, by column. `at`: the moment the features are of. `known`: by view as it is stored, such
    as `spend@2`, up to which moment the store had taken in what there was.
    """

    keys: dict[str, str | None]
    at: int
    known: dict[str, int]


class Prediction(msgspec.Struct, frozen=True, kw_only=True, tag="prediction", omit_defaults=True):
    """One prediction, with everything needed to replay it.

    `scores` has one number for binary (probability of the positive class) and regression tasks, and one
    probability a class for multiclass ones. It is empty for rows that were imported rather than predicted.
    """

    id: str
    task: str
    at: int
    features: dict[str, Value]
    scores: tuple[float, ...] = ()
    version: int = 0
    """Version of the task's model that made it; 0 when no model did (the baseline answered, or an import)."""
    variant: str = "champion"
    """`champion`, `baseline`, `experiment/variant` of a unit that takes part in one, `pinned` to a version that
    the caller asked for, `batch` or `import`."""
    entity: str | None = None
    unit: str | None = None
    degraded: tuple[str, ...] = ()
    served: Served | None = None
    propensity: float | None = None
    """The probability with which a bandit chose this variant for it; None where none chose."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome", omit_defaults=True):
    """What turned out to be true.

    Names its prediction by `prediction_id`, or by `entity` and the time `at` it refers to. `value`, the label, is 0 or
    1 for binary tasks, the class's index for multiclass ones, the number itself for regression; None where the event
    tells only `values`: figures by name, such as revenue, that experiments compare and nothing is trained on.
    """

    id: str
    task: str
    value: float | None
    at: int
    """When the truth became known in the world, as the caller says; the moment of receipt if he does not."""
    received: int
    prediction_id: str | None = None
    entity: str | None = None
    values: dict[str, float] = {}


class Predictions(msgspec.Struct, frozen=True, kw_only=True, tag="predictions", omit_defaults=True):
    """Predictions that one version of a task's model made at one moment, in columns.

    What they share is written once, the names of the features among it, so a record is smaller than that of as many
    `Prediction`s, and made sooner. `rows`: values in the order of `names`. `entities`, `units` and `propensities`:
    empty if none has one. In Python a row may also be a struct that has the values.
    """

    task: str
    at: int
    version: int
    names: tuple[str, ...]
    ids: list[str]
    rows: list[tuple[Value, ...]]
    scores: list[tuple[float, ...]]
    entities: list[str | None] = []
    units: list[str | None] = []
    variant: str = "champion"
    propensities: list[float | None] = []

    def each(self) -> list[Prediction]:
        """The predictions, one by one.

        Raises:
            ValueError: a column has another length than the others.
        """
        nothing: list[Any] = [None] * len(self.ids)
        optional = (self.entities or nothing, self.units or nothing, self.propensities or nothing)
        columns = zip(self.ids, self.rows, self.scores, *optional, strict=True)
        return [
            Prediction(
                id=identifier,
                task=self.task,
                at=self.at,
                features=dict(zip(self.names, row, strict=True)),
                scores=scores,
                version=self.version,
                variant=self.variant,
                entity=entity,
                unit=unit,
                propensity=propensity,
            )
            for identifier, row, scores, entity, unit, propensity in columns
        ]


class Push(msgspec.Struct, frozen=True, kw_only=True, tag="push", omit_defaults=True):
    """Events of one stream, checked, in columns.

    `rows`: values in the order of `names`: times in µs, decimals as text, vectors as lists. `id`: a push whose id came
    before is the same one again. `failures`: rules that events failed: the rule as JSON, its policy, the value shown.
    """

    source: str
    received: int
    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    id: str = ""
    failures: list[tuple[str, str, str]] = []


class Activity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one process did for one task in a span of time. Everything adds up over spans and processes.

    `predictions`: by version, 0 for the baseline. `requests`: those answered, by how long it took: counts in the
    buckets of `LATENCY_BOUNDS`, and an open one. `seconds`: what these requests took together. `errors`: requests that
    failed by our fault, `refused`: by the caller's. `degraded`: predictions that were, once for each reason.
    """

    task: str
    predictions: dict[int, int] = {}
    requests: list[int] = []
    seconds: float = 0.0
    errors: int = 0
    refused: int = 0
    degraded: int = 0
    outcomes: int = 0


class Mirrored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one process saw of a treatment that is sent the requests of others, in a span of time. It adds up over spans
    and processes, but for `largest`, of which the largest one counts.

    `rows`: those it was asked about, of which `failures` got no usable scores. `dropped`: those that it was not asked
    about, as too many waited. `control_failures`: rows that the control failed to answer meanwhile. `calls`: by how
    long they took, as `Activity.requests`; `seconds`: what they took together. `differing`: rows with another class or
    decision than the control's. `difference`: sum over rows of the largest difference of a score; `largest`: of all.
    """

    task: str
    experiment: str
    variant: str
    rows: int = 0
    failures: int = 0
    dropped: int = 0
    control_failures: int = 0
    differing: int = 0
    calls: list[int] = []
    seconds: float = 0.0
    difference: float = 0.0
    largest: float = 0.0


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag="measured", omit_defaults=True):
    """What one process did from `start` to `end` (µs), and what it used. None: not known on this machine.

    `memory_bytes`: resident at the end. `gpu_seconds`: busy, of the machine's `gpus` devices together;
    `gpu_memory_bytes`: in use on them. Only one process of a machine tells of its devices, so that they add up.
    """

    process: str
    start: int
    end: int
    models: list[Activity] = []
    cpu_seconds: float = 0.0
    memory_bytes: int | None = None
    gpus: int = 0
    gpu_seconds: float | None = None
    gpu_memory_bytes: int | None = None
    mirrored: list[Mirrored] = []


Event = Prediction | Outcome | Push | Measured

_encoder = msgspec.msgpack.Encoder()
_Recorded = Event | Predictions
_decoder: msgspec.msgpack.Decoder[_Recorded | list[_Recorded]] = msgspec.msgpack.Decoder(_Recorded | list[_Recorded])


def encode(events: Event | Predictions | Sequence[Event | Predictions]) -> bytes:
    """One record: an event, or the events of one moment, as MessagePack.

    >>> o = Outcome(id="a", task="t", value=1.0, at=1, received=2)
    >>> decode(encode(o)) == [o], decode(encode([o, o])) == [o, o]
    (True, True)
    """
    return _encoder.encode(events)


def decode(record: bytes) -> list[Event]:
    """The events in a record. Raises `msgspec.DecodeError` or `UnicodeDecodeError` when it has none."""
    found = _decoder.decode(record)
    events: list[Event] = []
    for one in found if isinstance(found, list) else (found,):
        if isinstance(one, Predictions):
            try:
                events += one.each()
            except ValueError as error:
                raise msgspec.DecodeError(f"columns do not fit together: {error}") from error
        else:
            events.append(one)
    return events
