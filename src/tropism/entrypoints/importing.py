"""Imports past rows into the journal, as predictions that nobody made and the outcomes that came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import DataInvalid, Fault
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.replay.stream import read_stream

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.core.task import Task
    from tropism.wiring import Platform

_BATCH = 1_000


def import_history(platform: Platform, task: Task, path: Path, time: str | None) -> int:
    """Append a CSV or Parquet file's rows to the journal; how many.

    Without a time column the rows are taken to be one second apart, ending now.

    Raises:
        DataInvalid: the file does not fit the task.
    """
    classes = task.classes or None
    stream = read_stream(
        path, target=task.target, time=time, features=task.feature_names, kind=task.kind, classes=classes
    )
    found = {feature.name: feature.type for feature in stream.task.features}
    wrong = [
        Fault(f"{path.name} {feature.name}", found[feature.name], f"the task declares {feature.type}")
        for feature in task.features
        if feature.type != found[feature.name]
    ]
    if wrong:
        raise DataInvalid(f"{path.name} does not fit the task '{task.name}'", *wrong)
    now = platform.clock.now()
    shift = 0 if time is not None else now - int(stream.at[-1]) - 1
    if int(stream.at[-1]) + shift > now:
        raise DataInvalid("history ends in the future", Fault(f"{path.name} {time}", "", "check the time column"))
    identifiers, tag = Identifiers(), task_tag(task.name)
    journal = platform.journal()
    try:
        for start in range(0, len(stream), _BATCH):
            records = []
            rows = stream.features.slice(start, _BATCH).to_pylist()
            for offset, features in enumerate(rows):
                index = start + offset
                at = int(stream.at[index]) + shift
                made = identifiers.new(at, tag)
                records.append(encode(Prediction(id=made, task=task.name, at=at, features=features, variant="import")))
                value = float(stream.labels[index])
                answer = Outcome(
                    id=identifiers.new(at, tag), task=task.name, value=value, at=at, received=at, prediction_id=made
                )
                records.append(encode(answer))
            journal.append(records)
    finally:
        journal.close()
    return len(stream)
