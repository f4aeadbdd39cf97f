from __future__ import annotations

from typing import Any

from tropism.entrypoints.listed_features import chosen, listed_features
from tropism.features import Entity, FeatureView, StreamSource, agg
from tropism.wiring import Platform


def feature(name: str, entity: str | None, **tags: str) -> dict[str, Any]:
    view = name.partition(".")[0] if entity else None
    return {"name": name, "view": view, "entity": None if entity is None else {"name": entity}, "tags": tags}


def test_features_are_chosen_by_entity_view_and_tag() -> None:
    all_ = [feature("a.x", "user", team="risk"), feature("a.y", "user"), feature("b.x", "shop", team="ads")]
    all_.append(feature("ratio", None))

    def names(entity: str | None = None, view: str | None = None, tag: str | None = None) -> list[str]:
        return [one["name"] for one in chosen(all_, entity, view, tag)]

    assert names() == ["a.x", "a.y", "b.x", "ratio"]
    assert names(entity="user") == ["a.x", "a.y"]
    assert names(view="b") == ["b.x"]
    assert names(tag="team") == ["a.x", "b.x"]
    assert names(tag="team=ads") == ["b.x"]
    assert names(entity="user", tag="team=ads") == []


def test_a_view_that_was_never_filled_has_no_lag(platform: Platform) -> None:
    assert listed_features(platform) == []
    clicks = StreamSource("clicks", timestamp="at", schema={"user": int})
    view = FeatureView("clicks", entity=Entity("user", key="user"), source=clicks, fields=(agg.count("7d"),))
    platform.registry.features.apply([view], platform.clock.now())
    (found,) = listed_features(platform)
    assert (found["name"], found["known"], found["lag"], found["tasks"]) == ("clicks.count_7d", None, None, [])
    platform.features.windows.close()
