from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.errors import DataInvalid
from tropism.core.task import Task
from tropism.entrypoints.importing import import_history
from tropism.wiring import Platform

HEAD = "amount,country,hour,new_device,is_fraud,at"
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int = 300, **columns: Any) -> list[str]:
    """Lines of a file; a column may be given as a function of the row's number."""
    values = {
        "amount": lambda n: n * 1.5,
        "country": lambda n: ("NL", "BE")[n % 2],
        "hour": lambda n: n % 24,
        "new_device": lambda n: ("true", "false")[n % 3 == 0],
        "is_fraud": lambda n: n % 2,
        "at": lambda n: (BEGUN + timedelta(hours=n)).isoformat(),
    } | columns
    return [",".join(str(values[name](n)) for name in HEAD.split(",")) for n in range(count)]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return write(tmp_path / "history.csv", rows())


def write(path: Path, lines: list[str], head: str = HEAD) -> Path:
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def known(platform: Platform, task: Task) -> pa.Table:
    platform.ingest()
    return platform.cohorts.known(task, now=platform.clock.now()).table


def counts(platform: Platform, task: Task) -> tuple[int, int, int]:
    platform.ingest()
    found = platform.cohorts.counts(task, platform.clock.now())
    return found.predictions, found.answered, found.duplicate


def test_rows_become_labelled_history_at_their_own_times(platform: Platform, payments: Task, history: Path) -> None:
    assert import_history(platform, payments, history, "at") == 300
    table = known(platform, payments)
    assert table.num_rows == 300
    assert table["f_amount"].to_pylist()[:3] == [0.0, 1.5, 3.0]
    assert table["f_country"].to_pylist()[:2] == ["NL", "BE"]
    assert table["f_new_device"].to_pylist()[:2] == [False, True]
    assert table["label"].to_pylist()[:4] == [0.0, 1.0, 0.0, 1.0]
    assert table["at"].to_pylist()[0] == BEGUN
    assert set(table["variant"].to_pylist()) == {"import"}
    assert set(table["version"].to_pylist()) == {0}


def test_the_same_file_again_adds_nothing(platform: Platform, payments: Task, history: Path) -> None:
    import_history(platform, payments, history, "at")
    import_history(platform, payments, history, "at")
    assert counts(platform, payments) == (300, 300, 300)


def test_a_longer_export_adds_only_what_is_new(platform: Platform, payments: Task, history: Path) -> None:
    import_history(platform, payments, history, "at")
    import_history(platform, payments, write(history, rows(350)), "at")
    assert counts(platform, payments)[:2] == (350, 350)


def test_rows_that_are_equal_are_different_events(platform: Platform, payments: Task, tmp_path: Path) -> None:
    lines = [line for line in rows(150) for _ in range(2)]
    import_history(platform, payments, write(tmp_path / "twice.csv", lines), "at")
    assert counts(platform, payments) == (300, 300, 0)


def test_without_a_time_the_rows_end_now(platform: Platform, payments: Task, history: Path) -> None:
    before = platform.clock.now()
    import_history(platform, payments, history, None)
    at = known(platform, payments)["at"].cast(pa.int64()).to_pylist()
    assert len(at) == 300
    assert at == sorted(at)
    assert before - 1_000_000 <= at[-1] < platform.clock.now()
    assert at[-1] - at[0] == 299_000_000


def test_unordered_rows_are_imported_in_the_order_of_time(platform: Platform, payments: Task, tmp_path: Path) -> None:
    import_history(platform, payments, write(tmp_path / "back.csv", rows()[::-1]), "at")
    assert known(platform, payments)["f_amount"].to_pylist()[:3] == [0.0, 1.5, 3.0]


def test_missing_values_stay_missing(platform: Platform, payments: Task, tmp_path: Path) -> None:
    lines = rows(amount=lambda n: "" if n == 5 else n, country=lambda n: "" if n == 6 else "NL")
    import_history(platform, payments, write(tmp_path / "gaps.csv", lines), "at")
    table = known(platform, payments)
    assert table["f_amount"].to_pylist()[4:7] == [4.0, None, 6.0]
    assert table["f_country"].to_pylist()[5:8] == ["NL", None, "NL"]


def test_columns_are_read_as_the_task_declares_them(platform: Platform, payments: Task, tmp_path: Path) -> None:
    lines = rows(
        country=lambda n: "" if n == 7 else 100 + n % 2,
        new_device=lambda n: n % 2,
        hour=lambda n: ("true", "false")[n % 2],
    )
    import_history(platform, payments, write(tmp_path / "codes.csv", lines[::-1]), "at")
    table = known(platform, payments)
    assert table["f_country"].to_pylist()[6:9] == ["100", None, "100"]
    assert table["f_new_device"].to_pylist()[:2] == [False, True]
    assert table["f_hour"].to_pylist()[:2] == [1.0, 0.0]


def test_parquet_is_read_too(platform: Platform, payments: Task, tmp_path: Path) -> None:
    table = pa.table(
        {
            "amount": pa.array(range(250), pa.int64()),
            "country": [("NL", "BE")[n % 2] for n in range(250)],
            "hour": pa.array([n % 24 for n in range(250)], pa.int32()),
            "new_device": [n % 3 == 0 for n in range(250)],
            "is_fraud": [n % 2 == 0 for n in range(250)],
            "at": [BEGUN + timedelta(hours=n) for n in range(250)],
        }
    )
    pq.write_table(table, tmp_path / "history.parquet")
    assert import_history(platform, payments, tmp_path / "history.parquet", "at") == 250
    assert counts(platform, payments) == (250, 250, 0)


@pytest.mark.parametrize(
    ("columns", "found", "declared"),
    [
        ({"amount": lambda n: "abc"[n % 3]}, "category", "number"),
        ({"new_device": lambda n: n % 3}, "number", "boolean"),
        ({"new_device": lambda n: "abc"[n % 3]}, "category", "boolean"),
    ],
)
def test_a_column_that_does_not_fit_is_named(
    platform: Platform, payments: Task, tmp_path: Path, columns: dict[str, Any], found: str, declared: str
) -> None:
    with pytest.raises(DataInvalid, match="does not fit the task 'payments'") as refused:
        import_history(platform, payments, write(tmp_path / "wrong.csv", rows(**columns)), "at")
    (fault,) = refused.value.faults
    assert (fault.field, fault.value) == (f"wrong.csv {next(iter(columns))}", found)
    assert declared in fault.fix
    assert counts(platform, payments) == (0, 0, 0)


def test_what_the_task_names_and_the_file_lacks(platform: Platform, payments: Task, tmp_path: Path) -> None:
    path = write(tmp_path / "short.csv", rows(), HEAD.replace("country", "land"))
    with pytest.raises(DataInvalid, match="there is no column 'country'") as refused:
        import_history(platform, payments, path, "at")
    assert refused.value.faults[0].field == "features of 'payments'"
    path = write(tmp_path / "short.csv", rows(), HEAD.replace("is_fraud", "fraud"))
    with pytest.raises(DataInvalid, match="there is no column 'is_fraud'") as refused:
        import_history(platform, payments, path, "at")
    assert refused.value.faults[0].field == "target of 'payments'"
    assert "did you mean 'fraud'" in refused.value.faults[0].fix


def test_a_label_that_is_none_of_the_task(platform: Platform, payments: Task, tmp_path: Path) -> None:
    path = write(tmp_path / "three.csv", rows(is_fraud=lambda n: n % 3))
    with pytest.raises(DataInvalid, match="third value in a binary target"):
        import_history(platform, payments, path, "at")


def test_history_from_the_future_is_refused(platform: Platform, payments: Task, tmp_path: Path) -> None:
    begins = datetime.now(UTC)
    lines = rows(at=lambda n: (begins + timedelta(hours=n)).isoformat())
    with pytest.raises(DataInvalid, match="in the future"):
        import_history(platform, payments, write(tmp_path / "future.csv", lines), "at")
    assert counts(platform, payments) == (0, 0, 0)


@pytest.mark.parametrize(("time", "reason"), [("nix", "no column 'nix'"), ("country", "is not a time")])
def test_a_time_column_that_cannot_be_used(
    platform: Platform, payments: Task, history: Path, time: str, reason: str
) -> None:
    with pytest.raises(DataInvalid, match=reason):
        import_history(platform, payments, history, time)


def test_a_file_that_is_not_there(platform: Platform, payments: Task, tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="there is no file"):
        import_history(platform, payments, tmp_path / "nix.csv", None)
