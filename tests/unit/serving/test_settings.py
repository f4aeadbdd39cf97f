from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import SettingInvalid
from tropism.serving import HttpSettings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("port", 0),
        ("port", 99_999),
        ("control_port", -1),
        ("control_port", 8700),
        ("workers", 0),
        ("workers", 65),
        ("max_rows", 0),
        ("max_body_bytes", 0),
        ("max_artifact_bytes", 0),
        ("max_inflight", -1),
        ("model_cache", -1),
        ("prediction_cache", -1),
        ("prediction_cache_ttl", "0"),
        ("feature_cache_ttl", "soon"),
        ("future_tolerance", "soon"),
        ("poll", "0"),
        ("body_timeout", "5"),
    ],
)
def test_a_setting_that_cannot_work_is_named(setting: str, value: Any) -> None:
    with pytest.raises(SettingInvalid) as caught:
        HttpSettings(**{setting: value})
    assert [fault.field for fault in caught.value.faults] == [f"http.{setting}"]


def test_no_tolerance_is_fine() -> None:
    assert HttpSettings(future_tolerance="0").future_tolerance == "0"
