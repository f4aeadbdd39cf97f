"""A registry over an empty SQLite file, and blobs that hold what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.registry import NewVersion, Registry
from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ARTIFACT = "a" * 64


class HeldArtifacts:
    """Holds the artifacts in `digests`."""

    def __init__(self) -> None:
        self.digests = {ARTIFACT}

    def exists(self, digest: str) -> bool:
        return digest in self.digests


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    yield Registry(database, HeldArtifacts())
    database.dispose()


@pytest.fixture
def register(registry: Registry) -> Callable[..., int]:
    """Registers a version of `price`, or of another model."""

    def one(model: str = "price", **fields: object) -> int:
        values = {"artifact": ARTIFACT, "learner": "linear", "window": "all", **fields}
        return registry.versions.register(NewVersion(model=model, **values), now=1)  # type: ignore[arg-type]

    return one
