from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tropism.wiring import Platform

Command = Callable[..., Any]
CANARY: dict[str, Any] = {
    "name": "trees",
    "task": "payments",
    "mode": "canary",
    "max_duration": "30d",
    "variants": [{"name": "now"}, {"name": "new", "version": 2}],
    "targeting": "country == 'DE'",
    "description": "two trees instead of one",
}


@pytest.fixture
def file(tmp_path: Path, register: Callable[..., int], promote: Callable[..., str]) -> Path:
    """A file with a canary of a task that has two versions, of which the first is the champion."""
    register(1)
    register(2)
    promote(1)
    path = tmp_path / "trees.json"
    path.write_bytes(msgspec.json.encode(CANARY))
    return path


def test_an_experiment_goes_its_way(shop: Command, file: Path) -> None:
    assert "tropism experiments put" in shop("experiments").out
    assert shop("experiments", "put", file).out.splitlines() == [
        "trees is declared",
        "start it: tropism experiments start trees",
    ]
    assert shop("experiments", "put", file).out.startswith("trees is so already\n")
    assert "trees runs: a share of 0.01 of its units gets 'new'" in shop("experiments", "start", "trees").out
    listed = shop("experiments").out.splitlines()
    assert listed[1].split() == ["trees", "payments", "canary", "running", "0.01", "now", "(1),", "new", "(2)"]
    out = shop("experiments", "show", "trees").out
    for words in (
        "trees (canary of payments), running since",
        "two trees instead of one",
        "ramp: [0.01], 0.05, 0.25, 0.5, 1, each for at least 1d",
        "for: country == 'DE', told apart by 'entity'",
        "decision: loss, the mean of loss, less is better",
    ):
        assert words in out
    said = shop("experiments", "stop", "trees", "--reason", "cancelled").out
    assert said == "trees is stopped: the champion of payments answers everybody\n"
    assert "it was stopped: cancelled" in shop("experiments", "show", "trees").out
    assert "ended: stopped" in shop("experiments").out
    assert shop("experiments", "--status", "running").out == "there is none of these\n"


def test_it_is_told_who_gets_what(shop: Command, file: Path) -> None:
    shop("experiments", "put", file)
    said = shop("experiments", "assign", "trees", "card-7", "--with", "country=DE").out
    assert said.splitlines()[1] == "trees has not started: so it will be at a share of 0.01, its first step"
    shop("experiments", "start", "trees")
    assert shop("experiments", "assign", "trees", "card-7", "--with", "country=DE").out in (
        "now (version 1)\n",
        "new (version 2)\n",
    )
    out = shop("experiments", "assign", "trees", "card-7").out
    assert out == "no variant: the targeting rule is not true of it; the champion answers it\n"
    found = msgspec.json.decode(shop("experiments", "assign", "trees", "card-7", "--json").out)
    assert (found["variant"], found["why"]) == (None, "targeting")


def test_what_is_shown_as_json_can_be_put_again(shop: Command, file: Path, platform: Platform) -> None:
    shop("experiments", "put", file)
    file.write_text(shop("experiments", "show", "trees", "--json").out.replace("two trees", "three trees"))
    assert shop("experiments", "put", file).out.startswith("trees is changed\n")
    assert platform.registry.experiments.get("trees").spec.description == "three trees instead of one"
    (listed,) = msgspec.json.decode(shop("experiments", "--json").out)
    assert (listed["name"], listed["share"]) == ("trees", 0.01)


def test_every_kind_of_experiment_is_shown(shop: Command, file: Path) -> None:
    metrics = [
        {"name": "speed", "of": "predictions", "kind": "quantile", "role": "decision", "goal": "increase"},
        {"name": "rate", "of": "outcome", "kind": "ratio", "over": "predictions", "role": "guardrail", "margin": 0.02},
    ]
    more = {"mode": "ab", "holdout": 0.1, "namespace": {"name": "checkout", "end": 0.5}, "metrics": metrics}
    file.write_bytes(msgspec.json.encode(CANARY | more | {"automatic": False}))
    assert shop("experiments", "put", file).code == 0
    out = shop("experiments", "show", "trees").out
    for words in (
        "not started",
        "namespace: checkout from 0 to 0.5",
        "holdout: 0.1",
        "decision: speed, the 0.5 quantile of predictions, more is better",
        "guardrail: rate, the ratio of outcome / predictions, less is better, must not be worse by more than 0.02",
        "after an approval",
    ):
        assert words in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "name a JSON file"),
        (b"\xff\xfe", "name a JSON file"),
        (b"[]", "use an object"),
        (msgspec.json.encode(CANARY | {"mode": "canry"}), 'mode: got "canry"; use one of'),
        (msgspec.json.encode(CANARY | {"task": "payment"}), "use one of: payments"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(shop: Command, file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    said = shop("experiments", "put", file)
    assert said.code == 1
    assert words in said.err


def test_what_there_is_not_is_named(shop: Command, file: Path) -> None:
    for arguments in (("show", "x"), ("start", "x"), ("stop", "x"), ("assign", "x", "card-7")):
        said = shop("experiments", *arguments)
        assert (said.code, "tropism experiments" in said.err) == (1, True)
    assert "use one of: payments" in shop("experiments", "--task", "x").err
    shop("experiments", "put", file)
    assert "NAME=VALUE" in shop("experiments", "assign", "trees", "card-7", "--with", "country").err
    assert "unit" in shop("experiments", "assign", "trees", "").err


def test_the_help_teaches(shop: Command) -> None:
    for command in ("show", "put", "start", "stop", "assign"):
        assert f"tropism experiments {command}" in shop("experiments", command, "--help").out
