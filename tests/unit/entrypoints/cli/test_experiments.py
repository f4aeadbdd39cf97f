from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.clock import DAY
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.cli.show_evidence import print_evidence
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
    started = shop("experiments", "start", "trees").out
    assert "trees runs: a share of 0.01 of its units gets 'new'" in started
    assert "days (UTC) count once they are over and their outcome windows closed: none counts before 2" in started
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


def test_a_metric_that_the_task_cannot_have_is_refused_when_it_is_declared(shop: Command, file: Path) -> None:
    wrong = {"name": "Revenue", "of": "Revenue", "role": "decision", "cuped": "soon"}
    file.write_bytes(msgspec.json.encode(CANARY | {"metrics": [wrong]}))
    said = shop("experiments", "put", file)
    assert said.code == 2 or said.code == 1
    for words in ("metrics.Revenue.of: got 'Revenue'; use one of: loss", "metrics.Revenue.cuped: got 'soon'"):
        assert words in said.err


def test_what_the_units_say_is_shown(shop: Command, file: Path, platform: Platform) -> None:
    metrics = [{"name": "revenue", "of": "revenue", "goal": "increase", "role": "decision"}]
    file.write_bytes(msgspec.json.encode(CANARY | {"targeting": "", "metrics": metrics}))
    shop("experiments", "put", file)
    shop("experiments", "start", "trees")
    out = shop("experiments", "show", "trees").out
    assert "0 matured predictions: no matured units of both the control and new yet" in out
    assert "revenue of new cannot be compared: no outcome carried 'revenue' yet" in out
    found = msgspec.json.decode(shop("experiments", "show", "trees", "--json").out)
    assert found["evidence"]["unmeasured"] == {"new": {"revenue": "no outcome carried 'revenue' yet"}}


def test_a_fading_effect_and_an_adjustment_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    analysis = {
        "metric": {"name": "revenue", "cuped": "14d"},
        "control": 1.0,
        "treatment": 1.5,
        "difference": 0.5,
        "lower": 0.1,
        "upper": None,
        "kept": 0.25,
        "verdict": "better",
        "waiting_for": "",
    }
    novelty = {"changes": True, "early": 0.9, "late": 0.2}
    print_evidence({"n": 7, "reason": "so", "analyses": {"new": [analysis]}, "novelty": {"new": novelty}})
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["new", "revenue", "1", "1.5", "0.5", "0.1", "-", "better"]
    assert out[2:] == [
        "7 matured predictions: so",
        "revenue of new: 75% less variance by what units did in the 14d before",
        "warning: the effect of new fades: 0.9 a prediction for units of the first half of the days, 0.2 for later "
        "ones; this decides nothing",
    ]


def test_what_the_units_of_a_bandit_say_is_shown(shop: Command, file: Path) -> None:
    bandit = {name: CANARY[name] for name in ("name", "task", "variants", "max_duration")} | {"mode": "bandit"}
    file.write_bytes(msgspec.json.encode(bandit))
    shop("experiments", "put", file)
    assert "matured predictions" not in shop("experiments", "show", "trees").out
    shop("experiments", "start", "trees")
    out = shop("experiments", "show", "trees").out
    assert "0 matured predictions: no matured units of both the control and new yet" in out
    found = msgspec.json.decode(shop("experiments", "show", "trees", "--json").out)["evidence"]
    assert (found["comparison"], found["n"], found["shares"]) == ("bandit", 0, {"now": 0.5, "new": 0.5})


def test_what_everybody_would_have_had_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    one = {"value": 0.25, "low": 0.2, "high": 0.3, "warnings": ["few rows"]}
    gain = {"value": 0.05, "low": -0.01, "high": 0.11, "warnings": []}
    print_evidence(
        {"n": 7, "reason": "so", "analyses": {}, "earned": 0.3, "everybody": {"new": one}, "gains": {"new": gain}}
    )
    assert capsys.readouterr().out.splitlines()[1:] == [
        "its units had 0.3 on average; with one variant for everybody it would have been, as estimated:",
        "  new: 0.25 (0.2 to 0.3)",
        "    warning: few rows",
        "choosing by context is better than new for everybody by 0.05 (-0.01 to 0.11)",
    ]


def test_a_shadow_is_decided_by_outcomes(shop: Command, file: Path) -> None:
    shop("experiments", "put", file)
    assert "at least 100 units of each" in shop("experiments", "show", "trees").out
    shadow = {name: CANARY[name] for name in ("task", "variants", "max_duration")} | {"name": "dark", "mode": "shadow"}
    file.write_bytes(msgspec.json.encode(shadow))
    shop("experiments", "put", file)
    assert "decided: at least 100 outcomes of each" in shop("experiments", "show", "dark").out


def test_a_plan_says_how_long_it_takes(shop: Command) -> None:
    given = ("--rate", 0.05, "--units-per-day", 4000, "--delay", "7d")
    out = shop("experiments", "plan", "--lift", 0.1, *given).out
    assert "the share of units with 'outcome', from 0.05 to 0.055" in out
    plan = msgspec.json.decode(shop("experiments", "plan", "--lift", 0.1, *given, "--json").out)
    assert plan["sequential"]["days_until_decided"] == plan["sequential"]["days"] + 7
    assert plan["fixed"]["units"] < plan["sequential"]["units"]
    less = msgspec.json.decode(shop("experiments", "plan", "--lift", -0.2, *given, "--json").out)
    assert less["sequential"]["units"] < plan["sequential"]["units"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lift", 0.1), "--mean: give it"),
        (("--lift", 0, "--rate", 0.1, "--units-per-day", 10), "--lift: got 0; use a change other than none"),
        (("--lift", 9, "--rate", 0.2, "--units-per-day", 10), "--lift: got a rate of 2"),
        (("--lift", 0.1, "--rate", 0.2, "--units-per-day", 10, "--share", 1), "--share: got 1.0"),
        (("--lift", 0.1, "--rate", 0.2, "--units-per-day", 10, "--delay", "late"), "--delay: got 'late'"),
        (("--lift", 0.1, "--task", "payments"), "--task: got 'payments'; give --units-per-day"),
        (("--lift", 0.1, "--task", "payments", "--of", "A B"), "--of: got 'A B'"),
    ],
)
def test_a_plan_without_enough_says_what_is_missing(
    shop: Command, platform: Platform, arguments: Any, words: str
) -> None:
    said = shop("experiments", "plan", *arguments)
    assert said.code != 0 and words in said.err


def test_a_plan_takes_what_is_not_given_from_the_task(shop: Command, platform: Platform) -> None:
    now, rng = platform.clock.now(), np.random.default_rng(0)
    identifiers, journal = Identifiers(), platform.journal()
    task = platform.registry.tasks.get("payments")
    for number in range(400):
        at = now - task.window - (1 + number % 20) * DAY
        made = identifiers.new(at, task_tag("payments"))
        shared: dict[str, Any] = {"task": "payments", "at": at}
        prediction = Prediction(id=made, features={}, scores=(0.5,), entity=f"card-{number}", **shared)
        label, values = float(rng.random() < 0.25), {"revenue": float(rng.normal(10, 2))}
        own = identifiers.new(at, 0)
        outcome = Outcome(id=own, value=label, received=at, prediction_id=made, values=values, **shared)
        journal.append([encode(prediction), encode(outcome)])
    journal.close()
    platform.ingest()
    plan = msgspec.json.decode(shop("experiments", "plan", "--task", "payments", "--lift", 0.3, "--json").out)
    assert (plan["kind"], plan["measured"], plan["delay_days"]) == ("proportion", 400, task.window / DAY)
    assert plan["value"] == pytest.approx(0.25, abs=0.07)
    assert plan["units_per_day"] == pytest.approx(400 / 19, rel=0.01)
    spent = shop("experiments", "plan", "--task", "payments", "--of", "revenue", "--lift", 0.1).out
    assert "the mean by unit of 'revenue', from" in spent
    assert "what was not given is from 400 units of the last 28 days of payments" in spent
    typo = shop("experiments", "plan", "--task", "payments", "--of", "revenu", "--lift", 0.1).err
    assert "no outcome carried 'revenu' yet" in typo and "--of: got 'revenu'" in typo
