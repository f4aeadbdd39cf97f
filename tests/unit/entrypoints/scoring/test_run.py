from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from tests.unit.entrypoints.scoring.alone import expected

from tropism.core.errors import (
    ArtifactRefused,
    DataInvalid,
    InvalidInput,
    MissingFeature,
    NotReady,
    UnknownFeature,
    UnknownModel,
    UnknownTask,
    UnknownVersion,
)
from tropism.core.events import Prediction, decode
from tropism.core.task import Task
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job
from tropism.entrypoints.scoring.sources.base import Chosen
from tropism.serving.rows import RowReader
from tropism.storage.journal import JournalReader
from tropism.wiring import Platform

Write = Callable[..., Path]
Score = Callable[..., Any]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow", "arrows"])
@pytest.mark.parametrize("form", ["parquet", "csv", "json-lines", "arrow"])
def test_every_row_is_scored_in_order_from_and_to_every_format(
    kind: str, form: str, score: Score, write: Write, platform: Platform, rows: pa.Table, tmp_path: Path
) -> None:
    data = write(rows, f"rows.{kind}", **({"row_group_size": 170} if kind == "parquet" else {}))
    found = score(data, "scored", form=form)
    assert (found.version, found.rows, found.bad, found.resumed) == (1, 500, 0, 0)
    table = read(tmp_path / "scored", form)
    assert table.column_names == ["entity", "prediction", "probability", "version", "variant", "degraded"]
    assert table.column("entity").to_pylist() == rows.column("entity").to_pylist()
    assert table.column("probability").to_pylist() == expected(platform, rows)
    assert table.column("prediction").to_pylist() == [one >= 0.5 for one in table.column("probability").to_pylist()]
    assert set(table.column("version").to_pylist()) == {1}
    assert set(table.column("variant").to_pylist()) == {"batch"}
    assert list(tmp_path.glob("scored*")) == [tmp_path / "scored"]


def read(path: Path, form: str) -> pa.Table:
    if form == "csv":
        return pacsv.read_csv(path)
    if form == "json-lines":
        return pa.Table.from_pylist([msgspec.json.decode(line) for line in path.read_bytes().splitlines()])
    if form == "arrow":
        return pa.ipc.open_file(path).read_all()
    return pq.read_table(path)


def test_notes_count_what_a_caller_would_be_warned_of(score: Score, write: Write, rows: pa.Table) -> None:
    found = score(write(rows, "rows.csv"))
    country = rows.column("country")
    assert found.notes == {
        "amount: the value is missing": rows.column("amount").null_count,
        "country: the value is missing": country.null_count,
        "country: a category that the model does not know": pc.sum(pc.equal(country, "XX")).as_py(),
    }


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow"])
def test_other_columns_are_kept_or_ignored_as_asked(
    kind: str, score: Score, write: Write, rows: pa.Table, tmp_path: Path
) -> None:
    more = rows.append_column("customer", rows.column("entity")).append_column("is_fraud", rows.column("new_device"))
    data = write(more, f"rows.{kind}")
    with pytest.raises(UnknownFeature) as caught:
        score(data)
    assert str(data) in caught.value.message
    assert "--keep" in caught.value.faults[-1].fix
    score(data, chosen=Chosen(("customer", "amount"), ("*",) if kind != "jsonl" else ("is_fraud",)))
    table = pq.read_table(tmp_path / "scored.parquet")
    assert table.column_names[:3] == ["entity", "customer", "amount"] or set(table.column_names[1:3]) == {
        "customer",
        "amount",
    }
    assert table.column("customer").to_pylist() == rows.column("entity").to_pylist()
    if kind in ("parquet", "arrow"):
        assert table.column("amount").to_pylist() == rows.column("amount").to_pylist()


def test_a_file_without_rows_gives_an_output_without_rows(
    score: Score, write: Write, rows: pa.Table, tmp_path: Path
) -> None:
    for kind in ("csv", "parquet", "arrow"):
        assert score(write(rows.slice(0, 0), f"none.{kind}")).rows == 0
        assert pq.read_table(tmp_path / "scored.parquet").schema.names[1:3] == ["prediction", "probability"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_first_bad_row_of_the_file_is_named(
    kind: str, score: Score, write: Write, rows: pa.Table, tmp_path: Path
) -> None:
    amounts = rows.column("amount").to_pylist()
    amounts[70] = amounts[300] = amounts[301] = 1e301
    data = write(rows.set_column(0, "amount", pa.array(amounts)), f"rows.{kind}")
    with pytest.raises(InvalidInput, match="feature 'amount' is not a number") as caught:
        score(data)
    assert caught.value.faults[0].field == "row 71, amount"
    assert str(data) in caught.value.message
    assert not (tmp_path / "scored.parquet").exists()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow"])
def test_bad_rows_can_be_skipped_and_are_told(
    kind: str, score: Score, write: Write, rows: pa.Table, platform: Platform, tmp_path: Path
) -> None:
    amounts = rows.column("amount").to_pylist()
    amounts[70] = amounts[499] = 1e301
    entities = rows.column("entity").to_pylist()
    entities[70] = "x" * 300
    table = rows.set_column(0, "amount", pa.array(amounts)).set_column(4, "entity", pa.array(entities))
    found = score(write(table, f"rows.{kind}"), skip_bad=tmp_path / "bad.jsonl")
    assert (found.rows, found.bad) == (498, 2)
    scored = pq.read_table(tmp_path / "scored.parquet")
    good = [number for number in range(500) if number not in (70, 499)]
    assert scored.column("entity").to_pylist() == [f"card-{number}" for number in good]
    assert scored.column("probability").to_pylist() == expected(platform, rows.take(pa.array(good)))
    bad = [msgspec.json.decode(line) for line in (tmp_path / "bad.jsonl").read_bytes().splitlines()]
    assert [one["row"] for one in bad] == [71, 500]
    assert bad[0]["problem"] == "feature 'amount' is not a number, and 1 more fault"
    assert [fault["field"] for fault in bad[0]["faults"]] == ["amount", "entity"]
    assert "card-499" in str(bad[1]["values"])


def test_after_a_bad_row_a_run_may_go_on_without_it(
    score: Score, write: Write, rows: pa.Table, cut: Callable[..., None], tmp_path: Path
) -> None:
    amounts = rows.column("amount").to_pylist()
    amounts[300] = amounts[400] = 1e301
    data = write(rows.set_column(0, "amount", pa.array(amounts)), "rows.csv")
    with pytest.raises(InvalidInput) as caught:
        score(data)
    assert caught.value.faults[-1].fix.endswith("--skip-bad FILE")
    cut(data, 2, skip_bad=tmp_path / "bad.jsonl")
    with pytest.raises(InvalidInput) as again:
        score(data)
    assert again.value.faults[0].field == "row 301, amount"
    found = score(data, skip_bad=tmp_path / "bad.jsonl")
    assert (found.rows, found.bad, found.resumed) == (498, 2, 384 - 1)


def test_csv_rows_of_another_length_are_bad_rows(score: Score, write: Write, rows: pa.Table, tmp_path: Path) -> None:
    lines = write(rows, "rows.csv").read_text().splitlines()
    for row in (1, 64, 65, 66, 200, 500):
        lines[row] = lines[row] + ",too,many"
    data = tmp_path / "ragged.csv"
    data.write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidInput, match="row 1 has 7 cells, not 5"):
        score(data)
    found = score(data, skip_bad=tmp_path / "bad.jsonl")
    assert (found.rows, found.bad) == (494, 6)
    bad = [msgspec.json.decode(line) for line in (tmp_path / "bad.jsonl").read_bytes().splitlines()]
    assert [one["row"] for one in bad] == [1, 64, 65, 66, 200, 500]
    assert bad[0]["values"] == lines[1]
    scored = pq.read_table(tmp_path / "scored.parquet").column("entity").to_pylist()
    assert scored == [f"card-{n}" for n in range(500) if n + 1 not in (1, 64, 65, 66, 200, 500)]


def events(platform: Platform) -> list[Prediction]:
    records = JournalReader(platform.journal_folder).read({})
    return [one for record in records for one in decode(record.payload) if isinstance(one, Prediction)]


def test_nothing_is_journaled_unless_it_is_asked_for(
    score: Score, write: Write, rows: pa.Table, platform: Platform
) -> None:
    score(write(rows, "rows.csv"))
    assert events(platform) == []


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_journaled_predictions_are_those_of_the_output(
    kind: str, score: Score, write: Write, rows: pa.Table, platform: Platform, payments: Task, tmp_path: Path
) -> None:
    begun = platform.clock.now()
    score(write(rows, f"rows.{kind}"), journal=True)
    table = pq.read_table(tmp_path / "scored.parquet")
    found = sorted(events(platform), key=lambda one: int((one.entity or "").removeprefix("card-")))
    assert [one.id for one in found] == table.column("prediction_id").to_pylist()
    assert [one.scores[0] for one in found] == table.column("probability").to_pylist()
    assert {(one.task, one.version, one.variant, one.unit) for one in found} == {("payments", 1, "batch", None)}
    assert all(begun <= one.at <= platform.clock.now() for one in found)
    reader = RowReader(payments)
    names = payments.feature_names
    assert [one.features for one in found] == [
        reader.read(row, "", None)[0]  # type: ignore[arg-type]
        for row in rows.select(names).to_pylist()
    ]


def test_ids_and_times_of_the_file_are_those_of_the_events(
    score: Score, write: Write, rows: pa.Table, platform: Platform, live: Callable[..., list[str]], tmp_path: Path
) -> None:
    ids = live(3)
    few = rows.slice(0, 4).append_column("prediction_id", pa.array([*ids, None]))
    few = few.append_column("at", pa.array([1, 2, 3, None], pa.timestamp("s")))
    before = len(events(platform))
    score(write(few, "rows.parquet"), journal=True)
    found = events(platform)[before:]
    assert [one.id for one in found[:3]] == ids
    assert [one.at for one in found[:3]] == [1_000_000, 2_000_000, 3_000_000]
    assert found[3].id not in ids
    assert pq.read_table(tmp_path / "scored.parquet").column("prediction_id").to_pylist() == [one.id for one in found]
    score(write(few, "rows.parquet"))
    assert pq.read_table(tmp_path / "scored.parquet").column("prediction_id").to_pylist() == [*ids, None]


def test_a_bad_row_leaves_nothing_in_the_journal(
    score: Score, write: Write, rows: pa.Table, platform: Platform
) -> None:
    amounts = rows.column("amount").to_pylist()
    amounts[499] = 1e301
    data = write(rows.set_column(0, "amount", pa.array(amounts)), "rows.csv")
    with pytest.raises(InvalidInput):
        score(data, journal=True)
    assert events(platform) == []


def test_a_run_cut_short_while_it_journaled_counts_each_prediction_once(
    cut: Callable[..., None],
    score: Score,
    write: Write,
    rows: pa.Table,
    platform: Platform,
    payments: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = write(rows, "rows.csv")
    score_again = 0
    real = platform.journal

    class Weak:
        """A journal that takes a record and is then cut off before anybody knows."""

        def __init__(self) -> None:
            self._journal = real()

        def append(self, records: list[bytes]) -> int:
            nonlocal score_again
            sequence = self._journal.append(records)
            score_again += 1
            if score_again == 3:
                raise NotReady("cut off")
            return sequence

        def __getattr__(self, name: str) -> Any:
            return getattr(self._journal, name)

    monkeypatch.setattr(platform, "journal", Weak)
    with pytest.raises(NotReady, match="cut off"):
        score(data, journal=True)
    assert not (tmp_path / "scored.parquet").exists()
    assert score(data, journal=True).resumed == 500
    assert len(events(platform)) == 564, "the third part is there twice"
    ids = pq.read_table(tmp_path / "scored.parquet").column("prediction_id").to_pylist()
    platform.ingest()
    later = platform.clock.now() + payments.window + 1
    assert platform.cohorts.counts(payments, later).predictions == 500
    assert {one.id for one in events(platform)} == set(ids)


def test_outcomes_join_predictions_that_were_made_in_a_batch(
    score: Score, write: Write, rows: pa.Table, platform: Platform, payments: Task, tmp_path: Path
) -> None:
    from tropism.core.events import Outcome, encode

    score(write(rows, "rows.csv"), journal=True)
    ids = pq.read_table(tmp_path / "scored.parquet").column("prediction_id").to_pylist()
    now = platform.clock.now()
    journal = platform.journal()
    outcomes = [
        Outcome(id=f"o{n}", task="payments", value=1.0, at=now, received=now, prediction_id=one)
        for n, one in enumerate(ids[:10])
    ]
    journal.append([encode(outcomes)])
    journal.close()
    platform.ingest()
    counts = platform.cohorts.counts(payments, now + 1)
    assert (counts.predictions, counts.answered, counts.unknown) == (500, 10, 0)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"task": "nix"}, UnknownTask, "nix"),
        ({"version": 9}, UnknownVersion, "no version 9"),
        ({"version": None}, UnknownModel, "has no champion yet"),
        ({"data": Path("nix.csv")}, DataInvalid, "there is no file nix.csv"),
        ({"out": Path("/nowhere/x.csv")}, InvalidInput, "the output's folder does not exist"),
        ({"chosen": Chosen(("entity",))}, InvalidInput, "a column cannot be kept"),
    ],
)
def test_what_cannot_be_asked_for_is_told_and_leaves_nothing(
    options: dict[str, Any],
    kind: type[Exception],
    words: str,
    platform: Platform,
    register: Callable[..., int],
    write: Write,
    rows: pa.Table,
    tmp_path: Path,
) -> None:
    register()
    values: dict[str, Any] = {"task": "payments", "version": 1, "data": write(rows, "rows.csv"), "form": "csv"}
    before = sorted(tmp_path.iterdir())
    with pytest.raises(kind, match=words):
        Job(platform, Request(**{"out": tmp_path / "x.csv", **values, **options}))
    assert sorted(tmp_path.iterdir()) == before


def test_the_output_may_not_write_over_what_it_is_made_from(
    platform: Platform, write: Write, rows: pa.Table, tmp_path: Path
) -> None:
    data = write(rows, "rows.csv")
    with pytest.raises(InvalidInput, match="the output is the input"):
        Job(platform, Request("payments", 1, data, data, "csv"))
    with pytest.raises(InvalidInput, match="the file for bad rows is the input"):
        Job(platform, Request("payments", 1, data, tmp_path / "x.csv", "csv", skip_bad=data))
    with pytest.raises(InvalidInput, match="the output is a folder"):
        Job(platform, Request("payments", 1, data, tmp_path, "csv"))


def test_a_missing_feature_is_told_with_the_file(score: Score, write: Write, rows: pa.Table) -> None:
    data = write(rows.drop_columns(["amount"]), "rows.csv")
    with pytest.raises(MissingFeature) as caught:
        score(data)
    assert caught.value.message == f"{data}: feature 'amount' is missing"


def test_an_artifact_that_was_changed_is_not_loaded(
    score: Score, write: Write, rows: pa.Table, platform: Platform
) -> None:
    artifact = platform.registry.versions.get("payments", 1).artifact
    path = platform.settings.folder / "blobs" / artifact[:2] / artifact
    shutil.copy(path, path.with_suffix(".kept"))
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(Exception, match="is not what was stored") as caught:
        score(write(rows, "rows.csv"))
    assert type(caught.value).__name__ == "ArtifactTampered"
    assert not isinstance(caught.value, ArtifactRefused)
