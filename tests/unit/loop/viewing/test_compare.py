from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.monitoring import Monitoring
from tropism.loop.viewing.compare import Method, compare

Make = Callable[..., Any]


@pytest.mark.parametrize("method", ["adversarial", "reconstruction"])
def test_rows_that_changed_are_told_from_those_before(stand: Make, method: Method) -> None:
    one = stand()
    one.serve(600)
    version = one.train()
    one.serve(600)
    calm: Any = compare(one.sources, "world", method)
    assert (calm.version, calm.waiting, calm.found.triggered) == (version, "", False)
    cut = one.now + 1
    one.serve(400, a=4.0)
    found: Any = compare(one.sources, "world", method, since=cut).found
    assert found.triggered
    assert "a" in [cause.name for cause in found.causes]


def test_the_first_rows_served_stand_in_for_a_reference(stand: Make) -> None:
    one = stand()
    one.train()
    one.serve(500)
    found: Any = compare(one.sources, "world", "reconstruction")
    assert found.reference == "the first 250 rows served"
    assert found.found.left_out == () and not found.found.triggered


def test_what_is_ignored_takes_no_part(stand: Make) -> None:
    one = stand()
    one.serve(400)
    one.train()
    one.apply(msgspec.structs.replace(one.task, monitoring=Monitoring(ignore=("a",))))
    one.serve(400, shift=4.0)
    found: Any = compare(one.sources, "world", "adversarial").found
    assert not found.triggered


def test_too_little_is_told_and_wrong_requests_are_refused(stand: Make) -> None:
    one = stand()
    assert compare(one.sources, "world", "adversarial").waiting == "there is no champion yet"
    one.train()
    one.imported(20)
    one.serve(20)
    assert "takes 100 of each" in compare(one.sources, "world", "adversarial").waiting
    with pytest.raises(InvalidInput, match="no such method"):
        compare(one.sources, "world", "magic")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="out of range"):
        compare(one.sources, "world", "adversarial", rows=5)
