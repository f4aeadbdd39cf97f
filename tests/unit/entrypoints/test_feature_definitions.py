from __future__ import annotations

import pytest

from tropism.core.errors import NotFound, UnknownVersion
from tropism.entrypoints.feature_definitions import KINDS, described, find_definition, lineage_node
from tropism.features import Entity, FeatureView, SqlSource, StreamSource, agg
from tropism.features.views import Field
from tropism.wiring import Platform

USER = Entity("user", key="user")
CLICKS = StreamSource("clicks", timestamp="at", schema={"user": int})


@pytest.fixture
def applied(platform: Platform) -> Platform:
    source = SqlSource(url="postgresql://ann:secret@db/shop", query="limits", timestamp="t")
    views = [
        FeatureView("clicks", entity=USER, source=CLICKS, fields=(agg.count("7d"),)),
        FeatureView("limits", entity=USER, source=source, fields=(Field("amount"),)),
    ]
    platform.registry.features.apply(views, platform.clock.now())
    return platform


def test_a_name_is_looked_for_among_views_first(applied: Platform) -> None:
    registry = applied.registry.features
    view, stream = (find_definition(registry, "clicks", None, kinds) for kinds in (KINDS, ("stream",)))
    assert (view.kind, stream.kind) == ("view", "stream")
    assert (lineage_node(view), lineage_node(stream)) == (("view", "clicks@1"), ("source", "stream:clicks"))
    assert find_definition(registry, "user", None, KINDS).kind == "entity"
    with pytest.raises(NotFound, match="feature view 'nix'"):
        find_definition(registry, "nix", None, KINDS)
    with pytest.raises(UnknownVersion):
        find_definition(registry, "clicks", 2, KINDS)


def test_a_definition_is_told_without_passwords(applied: Platform) -> None:
    registry = applied.registry.features
    found = described(registry, registry.find("view", "limits"))
    assert "secret" not in str(found)
    assert found["features"] == [{"name": "limits.amount", "type": "number", "from": "column amount"}]
    assert [one["version"] for one in found["versions"]] == [1]
    assert found["lineage"]["from"][0]["to_id"] == "limits@1"
