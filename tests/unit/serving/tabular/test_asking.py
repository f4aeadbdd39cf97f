from __future__ import annotations

from tropism.core.task import Task
from tropism.serving.rows import Note
from tropism.serving.tabular import Limits, asks, decode


def test_notes_tell_defaults_from_missing_values(task: Task, limits: Limits) -> None:
    table = decode(b"amount,country,new,size\n,NL,true,1\n2,BE,true,1\n", "text/csv", task, limits)
    first, second = asks(table, task)
    defaults = [
        Note("default-used", "colour", 'colour: not sent, its default "red" was used'),
        Note("default-used", "weight", "weight: not sent, its default null was used"),
    ]
    assert list(first.notes) == [Note("missing-value", "amount", "amount: the value is missing"), *defaults]
    assert list(second.notes) == defaults


def test_a_row_without_anything_odd_has_no_notes(task: Task, limits: Limits) -> None:
    table = decode(b"amount,country,new,size,colour,weight\n1,NL,true,1,red,2\n", "text/csv", task, limits)
    (ask,) = asks(table, task)
    assert ask.notes == ()
    assert ask.row == {"amount": 1.0, "country": "NL", "new": True, "size": 1.0, "colour": "red", "weight": 2.0}
    assert (ask.entity, ask.unit, ask.at, ask.prediction_id) == (None, None, None, None)
