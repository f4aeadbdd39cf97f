from __future__ import annotations

from typing import Any

import pytest

from tropism.core.task import Feature, Task
from tropism.serving.feature_cache import FeatureCache
from tropism.serving.requests import Ask
from tropism.serving.rows import Note

TASK = Task(name="t", kind="binary", target="y", features=(Feature("a"), Feature("b"), Feature("c", default=0.0)))


def element(entity: str | None, **features: Any) -> dict[str, Any]:
    return {"features": features, "entity": entity}


def ask(entity: str | None, *notes: Note, **row: Any) -> Ask:
    return Ask(row, notes, entity)


def test_only_what_is_missing_and_has_no_default_is_filled() -> None:
    cache = FeatureCache(60.0)
    cache.keep(TASK, [ask("e", a=1.0, b=2.0, c=3.0)])
    sent = element("e", b=5.0)
    notes = cache.fill(TASK, sent)
    assert sent["features"] == {"b": 5.0, "a": 1.0}
    assert [(note.kind, note.feature) for note in notes] == [("cached-feature", "a")]
    assert notes[0].text == "a: not sent, 1.0 of the entity's last request was used"


def test_entities_and_tasks_are_told_apart() -> None:
    cache = FeatureCache(60.0)
    cache.keep(TASK, [ask("e", a=1.0, b=2.0, c=3.0), ask(None, a=9.0, b=9.0, c=9.0)])
    other = Task(name="u", kind="binary", target="y", features=TASK.features)
    for task, sent in ((TASK, element("f")), (TASK, element(None)), (other, element("e"))):
        assert cache.fill(task, sent) == ()
        assert sent["features"] == {}


def test_a_value_lives_from_when_it_was_sent_not_from_when_it_was_used() -> None:
    now = [0.0]
    cache = FeatureCache(10.0, now=lambda: now[0])
    cache.keep(TASK, [ask("e", a=1.0, b=2.0, c=0.0)])
    now[0] = 6.0
    sent = element("e", b=7.0)
    notes = cache.fill(TASK, sent)
    cache.keep(TASK, [ask("e", *notes, a=1.0, b=7.0, c=0.0)])
    now[0] = 10.0
    late = element("e")
    assert [note.feature for note in cache.fill(TASK, late)] == ["b"]
    assert late["features"] == {"b": 7.0}


def test_the_least_recently_seen_entity_goes_first() -> None:
    cache = FeatureCache(60.0, size=2)
    for entity in ("e", "f", "e", "g"):
        cache.keep(TASK, [ask(entity, a=1.0, b=2.0, c=3.0)])
    assert [bool(cache.fill(TASK, element(entity))) for entity in ("e", "f", "g")] == [True, False, True]


@pytest.mark.parametrize("sent", [{}, {"features": 5, "entity": "e"}, {"features": {}, "entity": ["e"]}])
def test_an_element_that_is_wrong_is_left_alone(sent: dict[str, Any]) -> None:
    cache = FeatureCache(60.0)
    cache.keep(TASK, [ask("e", a=1.0, b=2.0, c=3.0)])
    before = repr(sent)
    assert cache.fill(TASK, sent) == ()
    assert repr(sent) == before
