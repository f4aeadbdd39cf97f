from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from tropism.monitoring.watch.reports import Report, ReportStore
from tropism.storage.tables import Database
from tropism.storage.tables.schema import notices_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPORT = Report("Health of price", "all is well", "<p>all is well</p>")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    made.migrate()
    yield made
    made.dispose()


def test_a_report_goes_to_each_channel_once(database: Database) -> None:
    store = ReportStore(database)
    assert store.missing("price", 700, ["mail", "ops"]) == ["mail", "ops"]
    assert store.put("price", 700, ["mail"], REPORT, now=900) == 1
    assert ReportStore(database).missing("price", 700, ["mail", "ops"]) == ["ops"]
    assert store.put("price", 700, ["mail", "ops"], REPORT, now=901) == 1
    assert store.missing("price", 1_400, ["mail"]) == store.missing("fraud", 700, ["mail"]) == ["mail"]
    assert store.missing("price", 700, []) == []
    with database.read() as connection:
        rows = connection.execute(select(notices_out).order_by(notices_out.c.channel)).all()
    assert [(row.channel, row.event, row.created_at, row.next_at) for row in rows] == [
        ("mail", "report", 900, 900),
        ("ops", "report", 901, 901),
    ]
    assert rows[0].body == {
        "type": "report",
        "task": "price",
        "title": "Health of price",
        "text": "all is well",
        "html": "<p>all is well</p>",
    }
