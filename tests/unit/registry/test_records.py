from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tropism.core.errors import IntegrityError
from tropism.storage.tables.schema import versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


def test_a_row_that_the_registry_never_writes_is_named(registry: Registry, register: Callable[..., int]) -> None:
    register()
    with registry.db.begin() as connection:
        connection.execute(update(versions).values(state="adored"))
    with pytest.raises(IntegrityError, match="'price' cannot be read: Invalid enum value 'adored'"):
        registry.versions.get("price", 1)
