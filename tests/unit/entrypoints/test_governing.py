from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tropism.core.errors import Conflict, InvalidInput, PolicyRefused, UnknownTask
from tropism.core.governance import (
    ApprovalGate,
    ChampionGate,
    DataGate,
    DriftGate,
    Governance,
    IntegrationGate,
    Level,
    MetricGate,
    RobustnessGate,
    SecurityGate,
)
from tropism.entrypoints.card_text import markdown, page, sections
from tropism.entrypoints.governing import Governing
from tropism.registry import NewVersion
from tropism.wiring import Platform

Register = Callable[..., int]
Live = Callable[..., list[str]]
DAY = 86_400_000_000
LOW = Governance(
    levels=(
        Level(name="staging", gates=(IntegrationGate(), SecurityGate(), RobustnessGate())),
        Level(name="production", gates=(ApprovalGate(),), single=True),
    )
)


@pytest.fixture
def governing(platform: Platform) -> Governing:
    return Governing(platform)


@pytest.fixture
def easy(governing: Governing, platform: Platform) -> Governing:
    governing.policies.set("payments", LOW, actor="ann", now=platform.clock.now())
    return governing


@pytest.fixture
def old(platform: Platform, register: Register) -> int:
    """A version that was made before the predictions of `live`."""
    first = platform.registry.versions.get("payments", register(1))
    names = {field.name for field in msgspec.structs.fields(NewVersion)}
    facts = {name: value for name, value in msgspec.structs.asdict(first).items() if name in names}
    return platform.registry.versions.register(NewVersion(**facts), now=platform.clock.now() - 20 * DAY)


def test_a_version_goes_up_by_its_gates_and_the_word_of_another_person(easy: Governing, register: Register) -> None:
    register(1)
    with pytest.raises(PolicyRefused, match="not run"):
        easy.move("payments", 1, "staging", actor="ann")
    run = easy.run("payments", 1, "staging", actor="ann")
    assert run.passed, run.failed
    assert easy.move("payments", 1, "staging", actor="ann").before == "none"
    assert not easy.run("payments", 1, "production", actor="ann").passed
    easy.review("payments", 1, "production", actor="bob", role="", verdict="approved", comment="fine")
    assert easy.run("payments", 1, "production", actor="ann").passed
    assert easy.move("payments", 1, "production", actor="ann").level == "production"


def test_the_default_policy_keeps_a_model_down_that_nothing_is_known_of(
    governing: Governing, register: Register
) -> None:
    register(1)
    run = governing.run("payments", 1, "staging", actor="ann")
    assert [one.name for one in run.failed] == ["metric accuracy"]
    assert run.failed[0].message.startswith("not assessed: 0 of the 100 labelled rows")


def test_gates_look_at_rows_that_were_predicted_after_the_training(
    governing: Governing, old: int, live: Live, platform: Platform
) -> None:
    live(300, version=old)
    context = governing.gating.context("payments", old, "staging")
    assert context.evidence is not None
    assert len(context.evidence.rows.labels) == 300
    assert set(context.evidence.baselines) == {"majority", "last-label"}
    gates = (MetricGate(), DriftGate(), DataGate(), ChampionGate())
    policy = Governance(levels=(Level(name="staging", gates=gates),))
    governing.policies.set("payments", policy, actor="ann", now=platform.clock.now())
    metric, drift, data, champion = governing.run("payments", old, "staging", actor="ann").results
    assert metric.assessed
    assert "on 300 rows" in metric.message
    assert not drift.assessed
    assert data.passed
    assert "no champion" in champion.message


def test_what_crashed_or_is_not_there_is_not_run(governing: Governing, platform: Platform, register: Register) -> None:
    register(1)
    with pytest.raises(InvalidInput, match="no level 'stagin'"):
        governing.run("payments", 1, "stagin", actor="ann")
    with pytest.raises(UnknownTask):
        governing.run("refunds", 1, "staging", actor="ann")
    platform.registry.quarantine.put("payments", 1, reason="crash", now=1, actor="data-plane")
    with pytest.raises(Conflict, match="in quarantine"):
        governing.run("payments", 1, "staging", actor="ann")


def test_two_versions_are_compared_on_rows_that_neither_learnt_from(governing: Governing, old: int, live: Live) -> None:
    live(200, version=old)
    assert governing.compare("payments", 1, 2).choice == "either"
    assert governing.compare("payments", 2, 2).predictions is not None


def test_a_card_says_what_is_known_and_what_is_not(easy: Governing, register: Register) -> None:
    register(1)
    easy.run("payments", 1, "staging", actor="ann")
    easy.move("payments", 1, "staging", actor="ann", reason="first try | <b>")
    found = easy.card("payments", 1)
    assert (found.model, found.version, found.level, found.loss) == ("payments", 1, "staging", 0.13)
    assert sum(one.importance or 0 for one in found.features) == pytest.approx(1)
    assert all(one.population is None for one in found.features)
    titles = [one.title for one in sections(found)]
    assert titles[:5] == ["Purpose", "Training data", "Features", "Metrics", "Limits"]
    text = markdown(found)
    assert "the population that it was made for: not assessed" in text
    assert "metrics: not assessed" in text
    assert "staging: passed" in text
    assert r"first try \| \<b\>" in text
    written = page(found)
    assert "first try | &lt;b&gt;" in written
    assert "<script" not in written
    assert "http://" not in written
    assert "https://" not in written


def test_a_card_tells_the_population_before_the_training(
    governing: Governing, platform: Platform, live: Live, register: Register
) -> None:
    live(200, version=1)
    amount = governing.card("payments", register(1)).features[0]
    assert amount.population is not None
    assert amount.population.rows == 200
    assert amount.population.quantiles["0.01"] <= amount.population.quantiles["0.99"] <= 49
    assert amount.population.missing == 0
    countries = governing.card("payments", 1).features[1].population
    assert countries is not None
    assert sum(countries.categories.values()) == pytest.approx(1)


def test_a_deleted_version_keeps_its_card(governing: Governing, register: Register) -> None:
    register(1)
    governing.delete("payments", 1, actor="bob", reason="asked to")
    found = governing.card("payments", 1)
    assert found.deleted is not None
    assert "deleted by bob" in markdown(found)
    assert "importance: not assessed" in markdown(found)
