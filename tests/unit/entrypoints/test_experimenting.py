from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core.errors import InvalidInput, ProjectInvalid
from tropism.core.events import Prediction, encode
from tropism.core.experiment import Experiment, Ramp, Variant
from tropism.core.identity import Identifiers, task_tag
from tropism.core.privacy import JournalPolicy
from tropism.entrypoints.experimenting import assignment, read_experiment, units_so_far
from tropism.serving.requests import Ask
from tropism.wiring import Platform, apply_project

VARIANTS = (Variant(name="now"), Variant(name="new", version=2))
PLAIN: dict[str, Any] = {
    "name": "trees",
    "task": "payments",
    "mode": "ab",
    "variants": [{"name": "now"}, {"name": "new", "version": 2}],
}


def trees(**fields: Any) -> Experiment:
    return Experiment(**{"name": "trees", "task": "payments", "mode": "ab", "variants": VARIANTS, **fields})


@pytest.fixture
def started(platform: Platform, register: Callable[..., int], promote: Callable[..., str]) -> Callable[..., None]:
    """Starts an experiment over two versions of which the first is the champion."""
    register(1)
    register(2)
    promote(1)

    def start(**fields: Any) -> None:
        now = platform.clock.now()
        platform.registry.experiments.put(trees(**fields), actor="ann", now=now)
        platform.registry.experiments.start("trees", actor="ann", now=now)

    return start


def test_json_becomes_the_experiment() -> None:
    assert read_experiment(PLAIN) == trees()
    assert read_experiment(msgspec.to_builtins(trees(holdout=0.1))) == trees(holdout=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ramp": [0.25, 0.05]}, '{"steps": [0.01, 0.05, 0.25, 0.5, 1.0], "hold": "1d"}'),
        ({"bandit": "thompson"}, '{"policy": "thompson", "floor": 0.05'),
    ],
)
def test_what_should_be_an_object_is_shown_as_one(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match="not an experiment") as caught:
        read_experiment(PLAIN | change)
    assert caught.value.faults[0].fix.startswith(f"use an object or null, such as {words}")


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"variants": [{"name": "a", "weight": float("nan")}]}, "variants[0].weight", "nan"),
        ({"description": "\ud800"}, "experiment", ""),
        ({"max_duration": "9" * 400 + "d"}, "", ""),
        ({"mode": "abb"}, "mode", '"abb"'),
        ({"holdout": 2}, "holdout", "2"),
        ({"min_units": 10**40, "alpha": 5}, "alpha", "5"),
    ],
)
def test_no_json_is_a_failure_of_ours(change: dict[str, Any], field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_experiment({**PLAIN, **change})
    assert refused.value.faults[0].field.startswith(field)
    assert refused.value.faults[0].value.startswith(value)


def test_a_unit_gets_what_the_data_plane_gives_it(platform: Platform, started: Callable[..., None]) -> None:
    started(holdout=0.2, targeting="country == 'DE'")
    (running,) = platform.snapshot_loader()().deployments["payments"].trials
    whys = set()
    for number in range(200):
        row = {"country": "DE" if number % 4 else "NL"}
        found = assignment(platform, "trees", f"card-{number}", row)
        seat = running.seat(Ask(dict(row), (), entity=f"card-{number}"))
        assert (None if seat is None else seat.variant) == (found.variant and f"trees/{found.variant}")
        assert found.version == {"now": 1, "new": 2, None: None}[found.variant]
        whys.add(found.why)
    assert whys == {"experiment", "holdout", "targeting"}


def test_targeting_sees_hashes_where_a_task_hides_texts(platform: Platform, started: Callable[..., None]) -> None:
    task = platform.registry.tasks.get("payments")
    private = msgspec.structs.replace(task, journal=JournalPolicy(hash=("country",)))
    platform.registry.tasks.apply(private, platform.clock.now())
    started(targeting=f"country == '{platform.privacy.hashed('payments', 'country', 'DE')}'")
    assert assignment(platform, "trees", "card-1", {"country": "DE"}).why == "experiment"
    assert assignment(platform, "trees", "card-1", {"country": "NL"}).why == "targeting"


def test_before_and_after_it_says_so(platform: Platform, started: Callable[..., None]) -> None:
    canary = trees(mode="canary", ramp=Ramp(steps=(1.0,)))
    platform.registry.experiments.put(canary, actor="ann", now=platform.clock.now())
    draft = assignment(platform, "trees", "card-1", {})
    assert (draft.status, draft.variant, draft.version, draft.share) == ("draft", "new", 2, 1.0)
    started(mode="canary", ramp=Ramp(steps=(1.0,)))
    assert assignment(platform, "trees", "card-1", {}).status == "running"
    platform.registry.experiments.end("trees", "stopped", actor="ann", now=platform.clock.now())
    ended = assignment(platform, "trees", "card-1", {})
    assert (ended.status, ended.variant, ended.why) == ("ended", None, "ended")


def test_units_are_counted_once(platform: Platform, started: Callable[..., None]) -> None:
    started()
    trial = platform.registry.experiments.get("trees")
    assert units_so_far(platform, trial) == {"now": 0, "new": 0}
    identifiers, tag, now = Identifiers(), task_tag("payments"), platform.clock.now()
    given = [("a", "trees/now"), ("a", "trees/now"), ("b", "trees/now"), ("c", "trees/new"), ("d", "champion")]
    events = [
        Prediction(
            id=identifiers.new(now, tag),
            task="payments",
            at=now,
            features={},
            scores=(0.5,),
            variant=variant,
            entity=one,
        )
        for one, variant in given
    ]
    journal = platform.journal()
    journal.append([encode(event) for event in events])
    journal.close()
    platform.ingest()
    assert units_so_far(platform, trial) == {"now": 2, "new": 1}


def test_apply_stores_what_the_project_declares(platform: Platform, started: Callable[..., None]) -> None:
    path = platform.project / "project.py"
    text = path.read_text() + (
        "\nfrom tropism import Experiment, Variant\n"
        'trees = Experiment(name="trees", task="payments", mode="ab", holdout=0.1,\n'
        '                   variants=(Variant(name="now"), Variant(name="new", version=2)))\n'
    )
    path.write_text(text)

    def applied() -> list[str]:
        return [f"{one.name}: {one.status}" for one in apply_project(platform.settings)]

    hint = "; start it: tropism experiments start trees"
    assert applied() == ["payments: unchanged", f"experiment trees: created{hint}"]
    assert applied() == ["payments: unchanged", f"experiment trees: unchanged{hint}"]
    path.write_text(text.replace("holdout=0.1", "holdout=0.2"))
    assert applied()[1] == f"experiment trees: changed{hint}"
    platform.registry.experiments.start("trees", actor="ann", now=platform.clock.now())
    assert applied()[1] == "experiment trees: unchanged"
    path.write_text(text.replace('target="is_fraud"', 'target="fraud"'))
    with pytest.raises(ProjectInvalid, match="has started") as refused:
        applied()
    line = text.splitlines().index('trees = Experiment(name="trees", task="payments", mode="ab", holdout=0.1,') + 1
    assert refused.value.faults[0].field == f"project.py:{line} name"
    assert platform.registry.tasks.get("payments").target == "is_fraud"
