"""The reader of a stream follows what is applied."""

from __future__ import annotations

import msgspec
import pytest

from tropism.core.errors import NotFound
from tropism.entrypoints.streams import definitions
from tropism.entrypoints.streams.definitions import Definition
from tropism.features import Entity, FeatureView, StreamSource, agg
from tropism.wiring import Platform


def test_a_reader_knows_the_keys_and_follows_changes(
    platform: Platform, payments: StreamSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "_LOOK_EVERY", 0.0)
    definition = Definition(platform.registry.features, "payments")
    before = definition.reader
    assert before.names == ("account_id", "amount", "at")
    assert definition.refresh() is before
    wider = msgspec.structs.replace(payments, schema={**payments.schema, "merchant": "text"})
    view = FeatureView(
        "spend", entity=Entity("account", key="account_id"), source=wider, fields=(agg.sum("amount", "24h"),)
    )
    platform.registry.features.apply([view, wider], platform.clock.now(), actor="test")
    assert "merchant" in definition.refresh().names


def test_the_newest_is_there_before_it_is_time_to_look(platform: Platform, payments: StreamSource) -> None:
    definition = Definition(platform.registry.features, "payments")
    before = definition.refresh()
    wider = msgspec.structs.replace(payments, schema={**payments.schema, "merchant": "text"})
    view = FeatureView("spend", entity=Entity("account", key="account_id"), source=wider, fields=(agg.count("24h"),))
    platform.registry.features.apply([view, wider], platform.clock.now(), actor="test")
    assert definition.refresh() is before
    assert "merchant" in definition.latest().names
    assert definition.latest() is definition.refresh()


def test_a_stream_that_was_dropped_is_not_found_until_it_is_there_again(
    platform: Platform, payments: StreamSource
) -> None:
    registry, now = platform.registry.features, platform.clock.now()
    definition = Definition(registry, "payments")
    registry.drop("spend", 1, now)
    registry.drop("payments", 1, now, kind="stream")
    for _ in range(2):
        with pytest.raises(NotFound, match="the stream 'payments' was dropped"):
            definition.latest()
    with pytest.raises(NotFound, match="was dropped"):
        Definition(registry, "payments")
    registry.apply([payments], now)
    assert definition.latest().source == payments
