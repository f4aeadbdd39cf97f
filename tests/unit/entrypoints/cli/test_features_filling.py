from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv, feather

from tropism.config import load_settings
from tropism.entrypoints.cli import run_features
from tropism.featurestore import FeatureStore
from tropism.wiring import Platform, apply_project, open_platform

Command = Callable[..., Any]
NOW = datetime.now(UTC)
DEFINED = """\
from tropism import Feature, Task
from tropism.features import CsvSource, Decimal, Entity, FeatureView, Field, ParquetSource, StreamSource, agg, on_demand
from tropism.features.checks import rule

account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", rules=(rule.range("amount", 0, policy="reject"),),
                        schema={"account_id": str, "amount": Decimal(2), "merchant": str})
profiles = ParquetSource("profiles.parquet", timestamp="updated_at", rules=(rule.range("limit", 0, policy="null"),))
profile = FeatureView("profile", entity=account, source=profiles, fields=[Field("segment", str), Field("limit", float)])
visits = FeatureView("visits", entity=account, source=CsvSource("visits.csv", timestamp="t"), fields=[agg.count("7d")])
spend = FeatureView("spend", entity=account, source=payments, fields=[agg.sum("amount", "24h"), agg.count("7d")])
latest = FeatureView("latest", entity=account, source=payments, fields=[Field("merchant", str)])
ratio = on_demand(lambda f, request: request["amount"] / f["profile.limit"], name="ratio")
fraud = Task(name="fraud", kind="binary", target="fraud", features=(Feature("amount"),),
             views=("spend", "profile.limit", "ratio"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "store"
    found.mkdir()
    (found / "project.py").write_text(DEFINED)
    table = pa.table(
        {
            "account_id": ["a", "b", "a"],
            "updated_at": [NOW - timedelta(days=day) for day in (3, 2, 1)],
            "segment": ["old", "x", "new"],
            "limit": [10.0, -1.0, 20.0],
        }
    )
    pq.write_table(table, found / "profiles.parquet")
    (found / "visits.csv").write_text(f"account_id,t\na,{(NOW - timedelta(days=1)).isoformat()}\n")
    apply_project(load_settings(found, environment={}))
    return found


@pytest.fixture
def features(tropism: Command, folder: Path) -> Command:
    """`tropism -C store features ARGUMENTS`."""
    return lambda *arguments: tropism("-C", folder, "features", *arguments)


@pytest.fixture
def platform(folder: Path) -> Platform:
    return open_platform(load_settings(folder, environment={}))


def history(path: Path, count: int = 5, **columns: Any) -> Path:
    """Payments of the account `a`, an hour apart, the last one an hour ago; each of 1.50 more than the one before."""
    table = {
        "account_id": ["a"] * count,
        "amount": [Decimal("1.50") * (n + 1) for n in range(count)],
        "merchant": [f"m{n}" for n in range(count)],
        "at": [NOW - timedelta(hours=count - n) for n in range(count)],
        "ignored": list(range(count)),
    } | columns
    (csv.write_csv if path.suffix == ".csv" else pq.write_table)(pa.table(table), path)
    return path


def values(platform: Platform, *names: str, key: str = "a") -> dict[str, Any]:
    reader = platform.features.reader(names)
    (read,) = reader.read([{"account_id": key}], [{}], platform.clock.now())
    return read.values


def events(platform: Platform) -> list[dict[str, Any]]:
    rows = platform.lake.read("_streams/payments").sort_by([("at", "ascending"), ("seq", "ascending")])
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


def test_materialize_fills_views_over_files_and_says_which_rules_failed(features: Command, platform: Platform) -> None:
    said = features("materialize")
    assert (said.code, said.err) == (0, "")
    head, *rows = said.out.splitlines()
    assert head.split("  ")[0] == "view"
    assert [" ".join(row.split()) for row in rows] == ["profile 1 3 2 range of 'limit' (1)", "visits 1 1 1 -"]
    assert values(platform, "profile", "visits") == {
        "profile.segment": "new",
        "profile.limit": 20.0,
        "visits.count_7d": 1,
    }
    assert values(platform, "profile", key="b") == {"profile.segment": "x", "profile.limit": None}
    assert features("materialize", "profile").out.splitlines()[1].split()[:4] == ["profile", "1", "3", "2"]


def test_a_source_that_is_gone_or_changed_holds_up_nothing_else(
    features: Command, platform: Platform, folder: Path
) -> None:
    (folder / "profiles.parquet").unlink()
    said = features("materialize")
    assert said.code == 1
    assert said.out.splitlines()[1].startswith("visits")
    assert said.err.startswith("error [data-invalid] the view 'profile@1' was not filled: there are no files")
    (folder / "visits.csv").write_text("account_id,when\na,2026-01-01\n")
    said = features("materialize", "visits")
    assert (said.code, said.out) == (1, "")
    assert "t: got missing; it has: account_id, when" in said.err
    assert values(platform, "visits") == {"visits.count_7d": 1}


def test_materialize_brings_views_over_streams_up_to_the_lake(
    features: Command, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_features, "follow", lambda *_: [])
    features("backfill", "payments", history(tmp_path / "h.parquet"))
    assert values(platform, "spend")["spend.count_7d"] == 0
    said = features("materialize", "--all")
    assert [row.split()[:4] for row in said.out.splitlines()[1:]] == [
        ["latest", "1", "5", "1"],
        ["profile", "1", "3", "2"],
        ["spend", "1", "5", "5"],
        ["visits", "1", "1", "1"],
    ]
    assert values(platform, "spend", "latest.merchant") == {
        "spend.sum_amount_24h": Decimal("22.50"),
        "spend.count_7d": 5,
        "latest.merchant": "m4",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("materialize", "profil"), 1, "did you mean 'profile'?"),
        (("materialize", "ratio"), 1, "on-demand features are computed when they are asked for"),
        (("materialize", "profile", "--all"), 2, "--all is of all views"),
        (("backfill", "paiments"), 1, "use one of: payments"),
        (("backfill", "payments", "nix.csv"), 1, "nix.csv cannot be read: No such file"),
        (("backfill", "payments", "--arrived", "x"), 2, "name a file too"),
        (("training-set", "nix.csv", "--at", "t", "--out", "x.parquet"), 2, "--views NAMES, or --task TASK"),
        (("training-set", "nix.csv", "--at", "t", "--views", "spend"), 2, "--out FILE, --lake NAME"),
        (("training-set", "nix.csv", "--at", "t", "--views", "spend", "--out", "x.xls"), 1, ".parquet, .arrow"),
        (("training-set", "nix.csv", "--at", "t", "--views", "spend", "--out", "x.csv"), 1, "nix.csv cannot be read"),
        (("training-set", "nix.csv", "--at", "t", "--task", "fraude", "--out", "x.csv"), 1, "use one of: fraud"),
        (("import", "nix"), 1, "nix"),
    ],
)
def test_what_cannot_be_done_is_named(features: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    said = features(*arguments)
    assert said.code == code
    assert words in said.err


@pytest.mark.parametrize("name", ["h.parquet", "h.csv"])
def test_backfill_brings_a_files_rows_in_once(features: Command, platform: Platform, tmp_path: Path, name: str) -> None:
    path = history(tmp_path / name)
    said = features("backfill", "payments", path)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [f"{path}: 5 rows, 5 new", "up to date: latest@1, spend@1"]
    rows = events(platform)
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["c_amount"] for row in rows] == [Decimal("1.50") * n for n in range(1, 6)]
    assert all(row["c_arrived_at"] == row["c_at"] for row in rows)
    assert len({row["writer"] for row in rows}) == 1 and rows[0]["writer"].startswith("history:")
    assert values(platform, "spend.sum_amount_24h") == {"spend.sum_amount_24h": Decimal("22.50")}
    again = features("backfill", "payments", path)
    assert again.out.splitlines() == [f"{path}: 5 rows, 0 new", "up to date: latest@1, spend@1"]
    assert len(events(platform)) == 5
    more = history(tmp_path / f"more-{name}", 2)
    assert "2 new" in features("backfill", "payments", path, more).out
    assert values(platform, "spend.count_7d") == {"spend.count_7d": 7}


def test_backfill_takes_the_arrival_from_a_column(features: Command, platform: Platform, tmp_path: Path) -> None:
    late = [NOW - timedelta(minutes=30), *[None] * 4]
    features("backfill", "payments", history(tmp_path / "a.parquet", received=late), "--arrived", "received")
    features("backfill", "payments", history(tmp_path / "b.parquet", arrived_at=late))
    rows = events(platform)
    assert [row["c_arrived_at"] == row["c_at"] for row in rows] == [False, True, True, True, True] * 2
    assert rows[0]["c_arrived_at"] == rows[5]["c_arrived_at"] == late[0]


def test_text_in_csv_stays_as_it_is_written(features: Command, platform: Platform, tmp_path: Path) -> None:
    features("backfill", "payments", history(tmp_path / "h.csv", 3, merchant=["1.50", "2.0", "1e3"]))
    assert [row["c_merchant"] for row in events(platform)] == ["1.50", "2.0", "1e3"]


def test_rules_of_the_stream_hold_for_its_history(features: Command, platform: Platform, tmp_path: Path) -> None:
    amounts = [Decimal(one) for one in (1, -1, 1, -2, 1)]
    said = features("backfill", "payments", path := history(tmp_path / "h.parquet", amount=amounts))
    assert said.out.splitlines()[:2] == [f"{path}: 5 rows, 3 new, 2 kept out", "  rule failed: range of 'amount' (2)"]
    assert [row["seq"] for row in events(platform)] == [1, 3, 5]
    features("backfill", "payments", path)
    (failure,) = platform.lake.read("_rule_failures").to_pylist()
    assert (failure["source"], failure["while"], failure["rows"], failure["failures"]) == ("payments", "backfill", 5, 2)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"account_id": ["a", None, "a", None, "a"]},
            "account_id: got null in row 2 (2 rows in all); it is never null",
        ),
        ({"account_id": ["a", "", "a", "a", "a"]}, "account_id: got nothing in row 2; a key has at least one"),
        ({"at": [NOW + timedelta(days=1)] * 5}, "in row 1 (5 rows in all); use a time up to now"),
        ({"amount": [1.234] * 5}, "amount: got 1.234; it is declared as decimal(2)"),
        ({"merchant": ["m" * 1025] * 5}, "use at most 1024 characters"),
        ({"at": ["gestern"] * 5}, "'gestern'"),
    ],
)
def test_a_value_that_cannot_be_taken_is_named_and_nothing_comes_in(
    features: Command, platform: Platform, tmp_path: Path, columns: dict[str, Any], words: str
) -> None:
    said = features("backfill", "payments", history(tmp_path / "h.parquet", **columns))
    assert said.code == 1
    assert said.err.startswith("error [data-invalid]")
    assert words in said.err
    assert platform.lake.version("_streams/payments") < 0


def test_without_a_file_a_new_view_gets_the_old_history(
    features: Command, platform: Platform, folder: Path, tmp_path: Path
) -> None:
    features("backfill", "payments", history(tmp_path / "h.parquet"))
    more = 'most = FeatureView("most", entity=account, source=payments, fields=[agg.max("amount", "7d")])\n'
    (folder / "project.py").write_text(DEFINED + more)
    features("apply", "--yes")
    assert features("backfill", "payments").out == "up to date: latest@1, most@1, spend@1\n"
    assert values(platform, "most") == {"most.max_amount_7d": Decimal("7.50")}


def test_stopped_half_way_it_goes_on(
    features: Command, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Any:
        raise KeyboardInterrupt

    path = history(tmp_path / "h.parquet")
    with monkeypatch.context() as patched:
        patched.setattr(run_features, "follow", interrupted)
        said = features("backfill", "payments", path)
        assert said.code == 130
        assert said.err.startswith("what was brought in stays; the same command goes on from there\n")
        patched.setattr(run_features, "fill", interrupted)
        assert features("materialize").code == 130
    assert features("backfill", "payments", path).out.splitlines()[0].endswith("5 rows, 0 new")
    assert values(platform, "spend.count_7d") == {"spend.count_7d": 5}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Of `a` before its first profile, with the old one and with the new one; and of one that nobody knows."""
    days = (10, 2, 0, 0)
    table = pa.table(
        {
            "account_id": ["a", "a", "a", "z"],
            "when": [NOW - timedelta(days=day) for day in days],
            "amount": [1.0, 2.0, 3.0, 4.0],
        }
    )
    pq.write_table(table, tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv"])
def test_a_training_set_knows_what_was_known_then(features: Command, labels: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"train.{suffix}"
    said = features("training-set", labels, "--views", "profile, visits.count_7d", "--at", "when", "--out", out)
    assert (said.code, said.out) == (0, f"4 rows, 6 columns: {out}\n")
    assert said.err == "rules failed in the source of 'profile': range of 'limit'\n"
    read = {"parquet": pq.read_table, "arrow": feather.read_table, "csv": csv.read_csv}[suffix]
    found = read(out)
    names = ["account_id", "when", "amount", "profile.segment", "profile.limit", "visits.count_7d"]
    assert found.column_names == names
    assert found["profile.limit"].to_pylist() == [None, 10.0, 20.0, None]
    assert found["visits.count_7d"].to_pylist() == [0, 0, 1, 0]
    assert [one.name for one in tmp_path.iterdir() if "train" in one.name] == [out.name]


def test_a_training_set_of_a_task_is_kept_in_the_lake_with_its_lineage(
    features: Command, tropism: Command, folder: Path, platform: Platform, labels: Path, tmp_path: Path
) -> None:
    features("backfill", "payments", history(tmp_path / "h.parquet"))
    for version in (1, 2):
        said = features("training-set", labels, "--task", "fraud", "--at", "when", "--lake", "fraud")
        assert said.out == f"4 rows, 7 columns: _training_sets/fraud in the lake, version {version}\n"
    rows = platform.lake.read("_training_sets/fraud")
    mine = rows.filter(pa.compute.equal(rows["seq"], 2))
    assert mine["spend.count_7d"].to_pylist() == [0, 0, 5, 0]
    assert mine["ratio"].to_pylist() == [None, 0.2, 0.15, None]
    links = platform.registry.features.lineage("training-set", "fraud@2", "up")
    assert {(link.from_kind, link.from_id) for link in links if link.to_id == "fraud@2"} == {
        ("view", "spend@1"),
        ("view", "profile@1"),
        ("on-demand", "ratio@1"),
    }


def test_a_training_set_that_cannot_be_made_or_written(features: Command, labels: Path, tmp_path: Path) -> None:
    common = ("training-set", labels, "--views", "profile", "--lake", "p")
    said = features(*common, "--at", "wenn")
    assert (said.code, "name one of: account_id, when, amount" in said.err) == (1, True)
    said = features(*common[:-1], "P P", "--at", "when")
    assert "is not a table's name" in said.err
    said = features(*common[:-2], "--at", "when", "--out", tmp_path / "nix" / "x.parquet")
    assert said.err.splitlines()[1].startswith("error [not-writable]")
    pq.write_table(pq.read_table(labels).rename_columns(["account_id", "when", "seq"]), labels)
    assert "seq; rename it" in features(*common, "--at", "when").err


def test_training_sets_take_what_has_an_arrow_stream(platform: Platform, labels: Path) -> None:
    from tropism.core.errors import InvalidInput
    from tropism.featurestore.training_sets import make_training_set

    class Frame:
        def __init__(self, table: pa.Table) -> None:
            self.table = table

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.table.__arrow_c_stream__(requested_schema)

    store: FeatureStore = platform.features
    found = make_training_set(store, Frame(pq.read_table(labels)), ["profile.limit"], "when").table
    assert found["profile.limit"].to_pylist() == [None, 10.0, 20.0, None]
    with pytest.raises(InvalidInput, match="no table"):
        make_training_set(store, [1], ["profile.limit"], "when")


def test_import_prints_the_definitions_or_writes_them(
    features: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tropism.features import feast

    def imported(folder: Path, python: str | None, out: Path | None) -> feast.Imported:
        assert (folder, python) == (tmp_path, "p")
        remarks = (feast.Remark("a:b", "has no type"),)
        return feast.Imported("text = 1\n", 1, 2, remarks, (feast.Remark("c", "is d now"),))

    monkeypatch.setattr(feast, "import_feast", imported)
    said = features("import", tmp_path, "--python", "p")
    assert said.out == "text = 1\n"
    assert said.err == "1 entity, 2 views\nleft out: a:b: has no type\nchanged: c: is d now\n"
    said = features("import", tmp_path, "--python", "p", "--out", "x.py")
    assert said.out == "1 entity, 2 views: x.py\nleft out: a:b: has no type\nchanged: c: is d now\n"


def test_lineage_shows_a_training_set(features: Command, tropism: Command, folder: Path, labels: Path) -> None:
    features("training-set", labels, "--views", "profile", "--at", "when", "--lake", "p")
    said = features("show", "profile", "--json")
    assert json.loads(said.out)["lineage"]["to"][0]["to_id"] == "p@1"
