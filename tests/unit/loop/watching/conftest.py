from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.loop.watching.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tropism.core.task import Task


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(task: Task | None = None) -> Place:
        made.append(Place(tmp_path / str(len(made)), task))
        return made[-1]

    yield make
    for one in made:
        one.close()
