from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from tropism.core.identity import Identifiers
from tropism.core.task import Task
from tropism.entrypoints.api.data_plane import DataPlane
from tropism.entrypoints.scoring.run import Job
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.serving import SnapshotHolder
from tropism.wiring import Platform

Command = Callable[..., Any]
HEAD = "amount,country,hour,new_device,entity\n"
LINES = ["12.5,NL,3,true,card-1\n", ",XX,23,false,card-2\n", "49,DE,0,true,\n"]


@pytest.fixture
def march(tmp_path: Path) -> Path:
    path = tmp_path / "march.csv"
    path.write_text(HEAD + "".join(LINES))
    return path


@pytest.fixture
def champion(platform: Platform, register: Callable[..., int], promote: Callable[..., str]) -> int:
    version = register()
    promote(version)
    return version


def test_a_file_is_scored_by_the_champion(shop: Command, champion: int, march: Path, tmp_path: Path) -> None:
    out = tmp_path / "scored.csv"
    said = shop("score", "payments", march, "--out", out)
    assert said.code == 0
    first, *notes = said.out.splitlines()
    assert first.startswith(f"scored 3 rows of {march} with version 1 of 'payments' in ")
    assert first.endswith(f"rows/s): {out}")
    assert notes == [
        "  amount: the value is missing (1 row)",
        "  country: a category that the model does not know (1 row)",
    ]
    assert said.err == ""
    table = pacsv.read_csv(out)
    assert table.column_names == ["entity", "prediction", "probability", "version", "variant", "degraded"]
    assert table.num_rows == 3


@pytest.mark.parametrize("learner", ["linear", "lightgbm"])
async def test_a_file_is_answered_as_http_answers_its_rows(
    learner: str,
    platform: Platform,
    payments: Task,
    register: Callable[..., int],
    promote: Callable[..., str],
    score_file: Callable[..., pa.Table],
) -> None:
    """Row by row, to the last bit, whatever format the rows come in."""
    promote(register(artifact=store(fitted(payments, learner), platform.blobs)))
    countries = ("NL", "BE", "??", None)
    rows: list[dict[str, Any]] = [
        {"amount": 1.1 * number, "country": countries[number % 4], "hour": number % 24, "new_device": True}
        for number in range(60)
    ]
    rows[7]["amount"] = None
    holder = SnapshotHolder(platform.snapshot_loader()())
    journal = platform.journal()
    plane = DataPlane(
        holder=holder,
        journal=journal,
        clock=platform.clock,
        identifiers=Identifiers(),
        settings=platform.settings.http,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(plane), base_url="http://tropism") as client:
        body = {"instances": [{"features": row} for row in rows]}
        reply = await client.post("/v1/tasks/payments/predict", content=msgspec.json.encode(body))
    journal.close()
    assert reply.status_code == 200, reply.text
    told = reply.json()["predictions"]
    for name in ("rows.csv", "rows.jsonl", "rows.parquet", "rows.arrow"):
        found = score_file(rows, name).to_pylist()
        assert [one["prediction"] for one in found] == [one["prediction"] for one in told], name
        assert [one["probability"] for one in found] == [one["probabilities"]["true"] for one in told], name
        assert [one["version"] for one in found] == [one["version"] for one in told], name
        assert {one["degraded"] for one in found} == {""}


def fitted(task: Task, learner: str) -> Model:
    chance = np.random.default_rng(5)
    columns = {
        "amount": chance.exponential(40, 600),
        "country": chance.choice(["NL", "BE", "DE"], 600),
        "hour": chance.integers(0, 24, 600).astype(float),
        "new_device": chance.random(600) < 0.5,
    }
    labels = (columns["amount"] + 10 * chance.normal(size=600) > 30).astype(float)
    return fit_model(task, learner, Dataset(pa.table(columns), labels, np.arange(600)))


@pytest.fixture
def score_file(shop: Command, tmp_path: Path) -> Callable[..., pa.Table]:
    def one(rows: list[dict[str, Any]], name: str) -> pa.Table:
        table, path = pa.Table.from_pylist(rows), tmp_path / name
        if path.suffix == ".csv":
            pacsv.write_csv(table, path)
        elif path.suffix == ".parquet":
            pq.write_table(table, path)
        elif path.suffix == ".jsonl":
            path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
        out = path.with_suffix(".out.parquet")
        assert shop("score", "payments", path, "--out", out).code == 0
        return pq.read_table(out)

    return one


@pytest.mark.parametrize("asked", [("payments:1",), ("payments", "--version", "1"), ("payments:1", "--version", 1)])
def test_a_version_may_be_named(
    asked: tuple[str, ...], shop: Command, register: Callable[..., int], march: Path, tmp_path: Path
) -> None:
    register()
    model, *options = asked
    said = shop("score", model, march, "--out", tmp_path / "scored.parquet", *options)
    assert said.code == 0
    assert "with version 1 of 'payments'" in said.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("payments",), "unknown-model", "'payments' has no champion yet"),
        (("payments:7",), "unknown-version", "it has version 1 only"),
        (("payments:x",), "invalid-input", "such as payments:3"),
        (("nix",), "unknown-task", "use one of: payments"),
        (("payments:1", "--keep", "nix", "--format", "csv"), None, ""),
    ],
)
def test_what_cannot_be_scored_is_named(
    arguments: tuple[str, ...],
    code: str | None,
    words: str,
    shop: Command,
    register: Callable[..., int],
    march: Path,
    tmp_path: Path,
) -> None:
    register()
    model, *options = arguments
    said = shop("score", model, march, "--out", tmp_path / "scored.parquet", *options)
    if code is None:
        assert said.code == 0, "a column to keep need not be there"
        return
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith(f"error [{code}]")
    assert words in said.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--version", "2"), "name two versions"),
        (("--address", "auto"), "give --on ray too"),
        (("--workers", "0"), "0 is not in the range"),
    ],
)
def test_options_that_do_not_go_together_are_a_wrong_call(
    options: tuple[str, ...], words: str, shop: Command, march: Path, tmp_path: Path
) -> None:
    said = shop("score", "payments:1", march, "--out", tmp_path / "scored.csv", *options)
    assert said.code == 2
    assert words in said.err


def test_a_bad_row_is_named_with_what_can_be_done(shop: Command, champion: int, march: Path, tmp_path: Path) -> None:
    march.write_text(HEAD + LINES[0] + "many,NL,3,true,card-4\n" + LINES[2])
    said = shop("score", "payments", march, "--out", tmp_path / "scored.csv")
    assert said.code == 1
    assert said.err == (
        f"error [invalid-input] {march}: feature 'amount' is not a number\n"
        '  row 2, amount: got "many"; write a number between -1e300 and 1e300, and nothing where it is not known\n'
        "  rows: mend the file; or go on without such rows, and have them told: --skip-bad FILE\n"
    )
    bad = tmp_path / "bad.jsonl"
    said = shop("score", "payments", march, "--out", tmp_path / "scored.csv", "--skip-bad", bad)
    assert said.code == 0
    assert f"  1 row could not be scored; {bad} says why" in said.out
    assert msgspec.json.decode(bad.read_bytes()) == {
        "row": 2,
        "problem": "feature 'amount' is not a number",
        "faults": [
            {
                "field": "amount",
                "value": '"many"',
                "fix": "write a number between -1e300 and 1e300, and nothing where it is not known",
            }
        ],
        "values": {"amount": "many", "country": "NL", "hour": "3", "new_device": "true", "entity": "card-4"},
    }


def test_other_columns_are_named_with_what_can_be_done(
    shop: Command, champion: int, march: Path, tmp_path: Path
) -> None:
    march.write_text("customer,is_fraud,amount,country,hour,new_device\n7,0,12.5,NL,3,true\n")
    said = shop("score", "payments", march, "--out", tmp_path / "scored.csv")
    assert said.code == 1
    assert "there is no feature 'customer'" in said.err
    assert "with --keep, or leave them out with --ignore" in said.err
    out = tmp_path / "scored.jsonl"
    said = shop("score", "payments", march, "--out", out, "--keep", "customer, is_fraud")
    assert said.code == 0
    row = msgspec.json.decode(out.read_bytes())
    assert (row["customer"], row["is_fraud"]) == ("7", "0")
    assert shop("score", "payments", march, "--out", out, "--ignore", "*").code == 0
    assert "customer" not in msgspec.json.decode(out.read_bytes())


def test_an_output_of_no_known_format_is_told(shop: Command, champion: int, march: Path, tmp_path: Path) -> None:
    said = shop("score", "payments", march, "--out", tmp_path / "scored")
    assert said.code == 1
    assert "end its name with .parquet, .csv, .jsonl or .arrow; or give --format" in said.err
    assert shop("score", "payments", march, "--out", tmp_path / "scored", "--format", "parquet").code == 0
    assert pq.read_table(tmp_path / "scored").num_rows == 3


def test_journaled_predictions_wait_for_their_outcomes(
    shop: Command, champion: int, march: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scored.csv"
    said = shop("score", "payments", march, "--out", out, "--journal")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "  recorded in the journal: send outcomes for the prediction_id of each row"
    ids = pacsv.read_csv(out).column("prediction_id").to_pylist()
    assert len(set(ids)) == 3


def test_a_run_that_is_interrupted_says_how_to_go_on(
    shop: Command, champion: int, march: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    march.write_text(HEAD + LINES[0] * 70_000)
    out = tmp_path / "scored.parquet"
    real = Job.run

    def interrupted(job: Job, executor: Any, progress: Any) -> Any:
        def once(share: float, rows: int) -> None:
            progress(share, rows)
            if rows:
                raise KeyboardInterrupt

        return real(job, executor, once)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "run", interrupted)
        said = shop("score", "payments", march, "--out", out, "--workers", 1)
    assert said.code == 130
    assert said.err.startswith("65,536 rows done and kept; the same command goes on from there\n")
    assert not out.exists()
    march.touch()
    said = shop("score", "payments", march, "--out", out)
    assert said.code == 1
    assert "error [conflict] an unfinished run of this output was of something else" in said.err
    assert "  the input: got written at one time; now written again at another; begin anew with --restart" in said.err
    said = shop("score", "payments", march, "--out", out, "--restart")
    assert said.code == 0
    assert pq.read_table(out).num_rows == 70_000


def test_an_interrupted_run_goes_on(
    shop: Command, champion: int, march: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    march.write_text(HEAD + LINES[0] * 70_000)
    out = tmp_path / "scored.parquet"
    real = Job.run

    def failing(job: Job, executor: Any, progress: Any) -> Any:
        def once(share: float, rows: int) -> None:
            if rows:
                raise KeyboardInterrupt

        return real(job, executor, once)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "run", failing)
        assert shop("score", "payments", march, "--out", out, "--workers", 1).code == 130
    said = shop("score", "payments", march, "--out", out)
    assert said.code == 0
    assert said.out.splitlines()[0] == "going on with version 1, 65,536 rows done"
    assert pq.read_table(out).num_rows == 70_000
    assert sorted(path.name for path in tmp_path.glob("scored*")) == ["scored.parquet"]


def test_help_teaches_by_examples(tropism: Command) -> None:
    said = tropism("score", "--help")
    assert said.code == 0
    assert "tropism score payments march.parquet --out scored.parquet" in said.out
    assert "goes on where it was" in " ".join(said.out.split())
