"""Which address a source has."""

from __future__ import annotations

import pytest

from tropism.core.errors import SettingInvalid
from tropism.entrypoints.streams.addresses import address_of
from tropism.features.settings import FeatureSettings


def test_the_one_given_overrules_the_settings() -> None:
    settings = FeatureSettings(streams={"payments": "redis://h?stream=theirs"})
    found = address_of("payments", None, settings)
    assert (found.stream, found.field) == ("theirs", "features.streams.payments")
    found = address_of("payments", "redis://h?stream=mine", settings)
    assert (found.stream, found.field) == ("mine", "--from")


def test_a_source_without_any_is_told_where_to_write_it() -> None:
    with pytest.raises(SettingInvalid, match=r"TROPISM_STREAM_CLICKS, or name the broker: --from") as caught:
        address_of("clicks", None, FeatureSettings())
    assert caught.value.faults[0].field == "features.streams.clicks"
