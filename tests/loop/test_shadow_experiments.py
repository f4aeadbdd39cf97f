"""Experiments in shadow through the real stores and the real cycle, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.loop.test_experiments import QUIET, Shop

from tropism.core.experiment import Experiment, Ramp, Variant
from tropism.loop.decide import decide
from tropism.loop.observe import observe
from tropism.loop.recompute import recompute
from tropism.registry import NewChallenge
from tropism.registry.shadowing import challenge_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import World

    from tropism.registry import Challenge


@pytest.fixture
def shop(world: Callable[..., World]) -> Shop:
    return Shop(world(**QUIET, min_training=1_000_000))


def begin(shop: Shop, *versions: int, name: str = "trial", **fields: Any) -> None:
    treatments = tuple(Variant(name=f"v{version}", version=version) for version in versions)
    values: dict[str, Any] = {"name": name, "task": "world", "mode": "shadow", "max_duration": "5d"}
    spec = Experiment(**(values | {"variants": (Variant(name="now"), *treatments)} | fields))
    shop.registry.experiments.put(spec, actor="me", now=shop.world.clock.now())
    shop.registry.experiments.start(name, actor="me", now=shop.world.clock.now())


def kinds(shop: Shop) -> list[str]:
    found = shop.registry.decisions.list("world")
    return [str(one.kind) for one in found if one.evidence.get("experiment") == "trial"][::-1]


def open_of(shop: Shop) -> list[Challenge]:
    ids = challenge_ids(shop.trial.spec, shop.trial.started_at).values()
    return [one for one in shop.registry.challenges.list_open("world") if one.id in ids]


def test_a_better_version_is_promoted_on_evidence_though_it_answered_nobody(shop: Shop) -> None:
    begin(shop, 3)
    shop.days(5)
    assert (shop.trial.ending, shop.world.champion) == ("promoted", 3), shop.trial.reason
    assert set(shop.variants) == {"champion"}
    assert "version 3 loses less" in shop.trial.reason
    decision = shop.registry.decisions.get(shop.trial.decision_id)
    assert (decision.kind, recompute(shop.world.services, decision).agrees) == ("promote", True)
    assert open_of(shop) == []


def test_each_of_several_versions_has_its_own_evidence_and_its_share_of_alpha(shop: Shop) -> None:
    begin(shop, 2, 3, automatic=False, alpha=0.04)
    assert [one.alpha for one in open_of(shop)] == [0.02, 0.02]
    shop.days(2)
    assert (shop.trial.status, shop.world.champion) == ("running", 1)
    (asked,) = shop.registry.approvals.pending("world")
    assert asked.version == 3
    assert "reject" in kinds(shop) and kinds(shop).count("promote") == 1
    shop.registry.approvals.refuse(asked.id, actor="ann", now=shop.world.clock.now())
    shop.day()
    assert (shop.trial.ending, open_of(shop)) == ("kept", [])
    assert "ann refused" in shop.trial.reason


def test_the_control_is_kept_when_every_treatment_has_lost(shop: Shop) -> None:
    begin(shop, 2)
    shop.days(5)
    assert (shop.trial.ending, shop.world.champion, kinds(shop)[-1]) == ("kept", 1, "reject")
    assert "version 2 loses more" in shop.trial.reason


def test_time_closes_what_is_not_proven_and_promotes_nothing(shop: Shop) -> None:
    shop._register(1, 3.0)
    begin(shop, 4, max_duration="2d", min_units=100_000)
    assert shop.days(8) <= 4
    assert (shop.trial.ending, shop.world.champion, kinds(shop)[-1]) == ("kept", 1, "keep")
    assert "time promotes nothing" in shop.trial.reason
    assert open_of(shop) == []


def test_another_champion_ends_it(shop: Shop) -> None:
    begin(shop, 2, min_units=100_000)
    shop.day()
    shop.promote(3)
    shop.day()
    assert shop.trial.ending == "superseded"
    assert "version 3 is the champion now" in shop.trial.reason
    assert open_of(shop) == []


def test_a_winner_waits_while_a_canary_compares_with_the_champion(shop: Shop) -> None:
    begin(shop, 3)
    ramp = Ramp(steps=(0.1, 0.5), hold="1d")
    begin(shop, 2, name="canary", mode="canary", ramp=ramp, max_duration="20d", min_units=100_000)
    shop.days(3)
    assert (shop.trial.status, shop.world.champion) == ("running", 1)
    (last, *_) = [one for one in shop.registry.decisions.list("world") if one.evidence.get("experiment") == "trial"]
    assert "it waits while 'canary' splits the traffic" in last.evidence["reason"]
    shop.registry.experiments.end("canary", "stopped", actor="me", now=shop.world.clock.now())
    shop.day()
    assert (shop.trial.ending, shop.world.champion) == ("promoted", 3)


def test_the_loops_own_challengers_do_not_wait_for_an_experiment_in_shadow(shop: Shop) -> None:
    begin(shop, 2, min_units=100_000, max_duration="30d")
    new = NewChallenge(id="own", model="world", challenger=3, incumbent=1, alpha=0.05)
    shop.registry.challenges.open(new, now=shop.world.clock.now(), most=100)
    shop.days(4)
    assert (shop.world.champion, shop.registry.challenges.get("own").status) == (3, "won")
    assert (shop.trial.ending, open_of(shop)) == ("superseded", [])


def test_many_tests_of_an_experiment_do_not_keep_the_loop_from_training(shop: Shop) -> None:
    begin(shop, 2, 3, min_units=100_000)
    seen = observe(shop.world.services, shop.world.task)
    assert [test.experiment for test in seen.tests] == ["trial", "trial"]
    busy = msgspec.structs.replace(seen, trained_at=1, new_labels=10_000)
    assert decide(shop.world.task, busy).waiting == ""


def test_requests_keep_the_short_way_while_only_shadows_run(shop: Shop) -> None:
    loader = shop.world.platform.snapshot_loader()
    before = loader().deployment("world")
    begin(shop, 3)
    after = loader().deployment("world")
    assert after is before
    assert before.lane is not None
