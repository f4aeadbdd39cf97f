from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.entrypoints.sdk.values import moment, plain


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (np.float32(1.5), 1.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.float64("nan"), None),
        (np.str_("a"), "a"),
        (float("nan"), None),
        (Decimal("2.5"), 2.5),
        (None, None),
    ],
)
def test_scalars_of_any_kind_become_json(value: Any, sent: Any) -> None:
    assert plain(value, "f") == sent
    assert type(plain(value, "f")) is type(sent)


@pytest.mark.parametrize("value", [float("inf"), np.float64("-inf"), [1], {"a": 1}, b"x", object(), np.array([1.0])])
def test_what_json_cannot_say_is_named(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        plain(value, "features.demand")
    assert caught.value.faults[0].field == "features.demand"


def test_times_of_any_kind_become_microseconds() -> None:
    at = 1_700_000_000_000_000
    aware = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert moment(aware) == moment(aware.isoformat()) == moment(np.int64(at)) == at  # type: ignore[arg-type]
    for value in ("soon", 1.5, True):
        with pytest.raises(InvalidInput):
            moment(value)  # type: ignore[arg-type]
