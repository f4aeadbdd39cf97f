from __future__ import annotations

import pytest

from tropism.core.errors import InvalidInput
from tropism.core.faults import MOST, Faults, shown


def test_a_long_list_of_faults_is_cut_and_counted() -> None:
    faults = Faults()
    for index in range(MOST + 7):
        faults.add(InvalidInput, "bad", f"rows[{index}]", "", "mend it")
    with pytest.raises(InvalidInput) as caught:
        faults.check()
    assert len(caught.value.faults) == MOST + 1
    assert caught.value.faults[-1].fix == "7 more faults are not listed"
    assert caught.value.message == f"bad, and {MOST + 6} more faults"


def test_no_fault_raises_nothing() -> None:
    faults = Faults()
    faults.check()
    assert not faults


def test_values_are_shown_short_as_json_has_them() -> None:
    deep: object = []
    for _ in range(2_000):
        deep = [deep]
    assert [shown(one) for one in (1.5, False, {"a": 1}, deep)] == ["1.5", "false", "an object", "a list"]
    assert shown(10**5_000) == "a whole number of hundreds of digits"
    assert len(shown("é" * 10_000)) <= 80
