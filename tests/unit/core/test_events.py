from __future__ import annotations

import msgspec
import pytest

from tropism.core.events import Event, Outcome, Prediction, decode, encode

PREDICTION = Prediction(
    id="p1",
    task="price",
    at=5,
    features={"demand": 1.5, "zone": "north", "holiday": True, "size": None},
    scores=(0.25,),
    version=3,
    entity="e1",
)
OUTCOME = Outcome(id="o1", task="price", value=1.0, at=6, received=7, prediction_id="p1")


def test_a_record_gives_back_its_events_in_order() -> None:
    events: list[Event] = [PREDICTION, OUTCOME, PREDICTION]
    assert decode(encode(events)) == events
    assert decode(encode(OUTCOME)) == [OUTCOME]
    assert decode(encode([])) == []


def test_features_may_be_recorded_as_a_struct() -> None:
    row = msgspec.defstruct(
        "Row", [("f0", float, msgspec.field(name="demand")), ("f1", bool, msgspec.field(name="up:"))]
    )
    event = msgspec.structs.replace(PREDICTION, features=row(1.5, True))
    (found,) = decode(encode([event]))
    assert isinstance(found, Prediction)
    assert found.features == {"demand": 1.5, "up:": True}


@pytest.mark.parametrize("record", [b"", b"\xc0", b"\xff", encode(OUTCOME)[:-1], encode(OUTCOME) + b"x", b"\x91\x01"])
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode(record)
