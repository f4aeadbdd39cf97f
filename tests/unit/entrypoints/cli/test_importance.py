from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tropism.entrypoints.permuted import Importances
from tropism.wiring import Platform

Command = Callable[..., Any]
Register = Callable[..., int]
Live = Callable[..., list[str]]


@pytest.fixture
def champion(register: Register, promote: Callable[..., str], live: Live) -> None:
    live(80)
    register(1)
    promote(1)


def test_every_feature_is_listed_beside_the_baseline(shop: Command, platform: Platform, champion: None) -> None:
    said = shop("importance", "payments")
    assert (said.code, said.err) == (0, "")
    found = Importances(platform).measure("payments")
    lines = said.out.splitlines()
    assert lines[0].split() == ["rank", "feature", "importance", "lower", "upper"]
    assert [line.split()[1] for line in lines[1:5]] == [one.features[0] for one in found.features]
    assert f"brier {found.loss:.4g} on the newest 80 matured rows, with version 1" in lines[5]
    assert f"baseline {found.baseline} {found.baseline_loss:.4g} (lower is better)" in lines[5]
    assert "95% interval" in lines[6]
    assert lines[7] == "the model may have learnt from some of these rows, so it looks better on them than it is"
    assert "  hour: it is the same in all of these rows, so permuting it shows nothing" in lines


def test_one_feature_as_json(shop: Command, platform: Platform, champion: None) -> None:
    said = shop("importance", "payments", "--feature", "amount", "--version", "1", "--rows", "50", "--json")
    found = json.loads(said.out)
    assert (found["version"], found["rows"], found["in_sample"]) == (1, 50, True)
    (one,) = found["features"]
    assert one["features"] == ["amount"]
    assert one["lower"] <= one["importance"] <= one["upper"]
    assert one["rank"] == Importances(platform).measure("payments", 1, 50).of("amount").rank


def test_groups(shop: Command, champion: None) -> None:
    said = shop("importance", "payments", "--grouped", "--feature", "amount")
    assert said.code == 0
    assert said.out.splitlines()[1].split()[1] == "amount"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nix",), "unknown-task", "use one of: payments"),
        (("payments", "--feature", "nix"), "not-found", "use one of: amount, country"),
        (("payments", "--version", "9"), "unknown-version", "it has version 1 only"),
        (("payments",), "invalid-input", "tropism models payments"),
        (("payments", "--version", "1"), "conflict", "wait for 30"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_what_there_is_not_is_named(
    shop: Command, platform: Platform, register: Register, arguments: tuple[str, ...], code: str, words: str
) -> None:
    register()
    said = shop("importance", *arguments)
    assert said.code == 1
    assert said.err.startswith(f"error [{code}]")
    assert words in said.err


@pytest.mark.parametrize("arguments", [("--rows", "5"), ("--version", "0")])
def test_a_number_out_of_range_is_a_wrong_call(shop: Command, platform: Platform, arguments: tuple[str, ...]) -> None:
    assert shop("importance", "payments", *arguments).code == 2
