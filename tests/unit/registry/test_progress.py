from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import InvalidInput

if TYPE_CHECKING:
    from tropism.registry import Registry


def test_a_cursor_is_kept(registry: Registry) -> None:
    assert registry.progress.get("ingest") is None
    registry.progress.set("ingest", {"w0": 5}, now=1)
    registry.progress.set("ingest", {"w0": 9, "w1": 1}, now=2)
    registry.progress.set("other", 0, now=2)
    assert registry.progress.get("ingest") == {"w0": 9, "w1": 1}
    assert registry.progress.all("ing") == {"ingest": {"w0": 9, "w1": 1}}


def test_the_names_of_the_registry_are_its_own(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="registry's own"):
        registry.progress.set("registry/generation", 7, now=1)


def test_nothing_is_no_value(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="no value"):
        registry.progress.set("ingest", None, now=1)
