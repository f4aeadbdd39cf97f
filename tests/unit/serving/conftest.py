from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Event, Value, decode
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Task
from tropism.learners.encoding import Column, Encoding, EncodingFacts
from tropism.serving import HttpSettings, SnapshotHolder
from tropism.serving.meters import Meters
from tropism.serving.parts import Parts
from tropism.serving.recording import Recorder
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter

NOW = 1_700_000_000 * SECOND


class StubModel:
    """Gives the scores it was made with, or does what it was told to do instead."""

    def __init__(self, *scores: float, act: Callable[[], None] = lambda: None) -> None:
        self.scores = scores
        self.act = act
        self.encoding = Encoding(EncodingFacts("codes", (Column("zone", "category", ("north", "south")),)))

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Any = None) -> Any:
        self.act()
        return np.array([self.scores] * len(rows))


@pytest.fixture
def stub_model() -> type[StubModel]:
    return StubModel


@pytest.fixture
def price() -> Task:
    features = (Feature("demand"), Feature("zone", "category"), Feature("holiday", "boolean", default=False))
    return Task(name="price", kind="binary", target="up", features=features)


@pytest.fixture
def colour() -> Task:
    return Task(name="colour", kind="multiclass", target="c", features=(Feature("hue"),), classes=("red", "blue"))


@pytest.fixture
def amount() -> Task:
    return Task(name="amount", kind="regression", target="eur", features=(Feature("size", nullable=False),))


class Desk:
    """Everything that a service is built with, over a real journal."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.holder = SnapshotHolder()
        self.clock = ManualClock(NOW)
        self.settings = HttpSettings(max_rows=5)
        self.meters = Meters()
        self.journal = JournalWriter(root, JournalSettings(fsync="os", reserve=0))
        self.identifiers = Identifiers()

    @property
    def parts(self) -> Parts:
        return Parts(
            self.holder, Recorder(self.journal, self.meters), self.clock, self.identifiers, self.settings, self.meters
        )

    def fill_disk(self) -> None:
        self.journal.close()
        self.journal = JournalWriter(self.root, JournalSettings(fsync="os", reserve=2**60))

    def recorded(self) -> list[Event]:
        return [event for record in JournalReader(self.root).read({}) for event in decode(record.payload)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "journal")
    yield made
    made.journal.close()


class QuickModel(StubModel):
    """One with a short way. Its score is the demand's share of 10, and a tenth more in the north."""

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        super().__init__(act=act)
        columns = (Column("zone", "category", ("north", "south")), Column("demand", "number"))
        self.encoding = Encoding(EncodingFacts("codes", columns))
        self.asked: list[int] = []

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Any = None) -> Any:
        self.act()
        return self._scored(self.encoding.rows(rows))

    def predict_matrix(self, codes: Any, at: Any = None) -> Any:
        self.asked.append(len(codes))
        self.act()
        return self._scored(codes)

    @property
    def short(self) -> Callable[[Sequence[float]], Any] | None:
        return lambda codes: self.predict_matrix(np.array([codes]))

    def _scored(self, codes: Any) -> Any:
        zone, demand = np.nan_to_num(codes).T
        return np.clip(np.where(zone == 0, 0.1, 0.0) + np.abs(demand) / 10, 0, 1)[:, None]


@pytest.fixture
def quick_model() -> type[QuickModel]:
    return QuickModel
