from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.featurestore.watched import Watched

Command = Callable[..., Any]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "shop")
    made.push(("a", "2.50"), ("b", "1.50"))
    for who in ("a", "b", "nobody"):
        made.predict(who)
    yield made
    made.close()


@pytest.fixture
def told(tropism: Command, watched: Watched) -> Command:
    return lambda *arguments: tropism("-C", watched.folder, "features", *arguments)


def test_no_skew_is_status_zero(told: Command) -> None:
    said = told("skew", "fraud")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["feature", "view", "compared", "mismatches"]
    assert ["spend.count_7d", "spend@1", "3", "0"] in [line.split() for line in lines]
    assert lines[-1].startswith("0 mismatches in 3 predictions of 'fraud', made from 2024-10-04 12:00")


def test_mismatches_are_status_one_and_shown(told: Command, watched: Watched) -> None:
    watched.profiles(("a", "gold", "101.00"), ("b", "silver", "20.00"))
    said = told("skew", "fraud")
    assert said.code == 1
    assert "  profile.limit of " in said.out
    assert "served 100.0, the history gives 101.0" in said.out
    found = msgspec.json.decode(told("skew", "fraud", "--json").out)
    assert (found["mismatches"], found["predictions"]) == (1, 3)


def test_what_cannot_be_computed_again_is_told_with_the_reason(told: Command, watched: Watched) -> None:
    (watched.folder / "profiles.parquet").unlink()
    said = told("skew", "fraud")
    assert said.code == 0
    assert "profile.limit: 3 not computed again: " in said.out


def test_nothing_served_says_why(told: Command, watched: Watched) -> None:
    assert "has no features from the store" in told("skew", "plain").out
    assert "no prediction was served from the store" in told("skew", "fraud", "--since", "1ms").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("skew", "nix"), "unknown-task", "fraud"),
        (("skew", "fraud", "--since", "soon"), "invalid-input", "such as 90s"),
        (("stats", "nix"), "unknown-feature", "use one of"),
        (("stats", "--task", "nix"), "unknown-task", "fraud"),
    ],
)
def test_errors_say_what_to_do(told: Command, arguments: tuple[str, ...], code: str, words: str) -> None:
    said = told(*arguments)
    assert said.code == 1
    assert f"[{code}]" in said.err
    assert words in said.err


def test_statistics_are_a_table_for_each_feature(told: Command) -> None:
    lines = told("stats", "last.amount", "profile.segment").out.splitlines()
    assert lines[0] == "last.amount (decimal), rows of last@1"
    assert lines[1].split()[:3] == ["day", "rows", "nulls"]
    assert lines[2].split() == ["2024-10-04", "2", "0", "1.5", "1.5", "1.5", "2.5", "2.5", "2", "0.7071", "█", "█"]
    assert "last.amount (number), served to fraud" in lines
    assert any(line.split()[:3] == ["2024-10-03", "2", "0"] and "gold 50%, silver 50%" in line for line in lines)


def test_statistics_as_json(told: Command) -> None:
    found = msgspec.json.decode(told("stats", "spend", "--json").out)
    assert {(one["feature"], one["of"]) for one in found} == {
        ("spend.sum_amount_24h", "served to fraud"),
        ("spend.count_7d", "served to fraud"),
    }
    assert found[0]["days"][0]["count"] == 3
