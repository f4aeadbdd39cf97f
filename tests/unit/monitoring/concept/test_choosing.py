"""Detectors of concept drift by name: what they find, what they refuse, and that reading again gives the same."""

from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import InvalidInput, MissingExtra, SettingInvalid
from tropism.monitoring.concept import NAMES, alarms, fresh

QUIET, BROKEN = 0.05, 0.8


def errors(name: str, seed: int = 0) -> list[float]:
    """5% errors, then 80%."""
    random = np.random.default_rng(seed)
    half = 400 if name == "kswin" else 2_000
    return [float(random.random() < rate) for rate in [QUIET] * half + [BROKEN] * half]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_breaks_is_found_soon_after(name: str) -> None:
    losses = errors(name)
    change = len(losses) // 2
    found = alarms(fresh(name), losses)
    assert any(change < place < change + 300 for place in found)


@pytest.mark.parametrize("name", NAMES)
def test_reading_stored_losses_again_gives_the_state_that_was_there(name: str) -> None:
    losses = errors(name, seed=1)
    cut = len(losses) // 2 + 20
    straight = alarms(fresh(name), losses)
    again = fresh(name)
    before = alarms(again, losses[:cut])
    after = [place + cut for place in alarms(again, losses[cut:])]
    assert before + after == straight


@pytest.mark.parametrize("name", NAMES)
def test_losses_that_are_not_finite_are_left_out(name: str) -> None:
    losses = errors(name)[:600]
    holes, plain = fresh(name), fresh(name)
    for loss in losses:
        assert not any(holes.update(value) for value in (float("nan"), float("inf"), float("-inf")))
        assert holes.update(loss) == plain.update(loss)


def test_page_hinkley_can_look_for_worse_losses_alone() -> None:
    better = [1.0] * 500 + [0.0] * 500
    assert alarms(fresh("page-hinkley"), better)
    assert not alarms(fresh("page-hinkley", mode="up"), better)


def test_a_detector_that_is_not_there_is_named_with_the_near_one() -> None:
    with pytest.raises(SettingInvalid, match=r"did you mean 'page-hinkley'\? The detectors are: adwin, ddm"):
        fresh("page_hinkley")


def test_a_parameter_that_is_not_there_is_named_with_the_near_one() -> None:
    with pytest.raises(SettingInvalid, match=r"parameters\.detla: got 0\.1; did you mean 'delta'\?"):
        fresh("adwin", detla=0.1)


def test_collected_losses_are_no_parameter() -> None:
    with pytest.raises(SettingInvalid, match=r"parameters\.window"):
        fresh("kswin", window="1, 2")


def test_a_value_that_river_refuses_is_a_setting_that_is_invalid() -> None:
    with pytest.raises(SettingInvalid, match="parameters: got mode=sideways; Invalid 'mode'"):
        fresh("page-hinkley", mode="sideways")


@pytest.mark.parametrize(("name", "loss"), [("ddm", 0.5), ("eddm", -1.0), ("hddm-a", 1.5), ("hddm-w", -0.1)])
def test_a_loss_that_a_detector_cannot_read_is_refused(name: str, loss: float) -> None:
    with pytest.raises(InvalidInput, match=f"loss: got {loss}; .*use adwin"):
        fresh(name).update(loss)


def test_without_river_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "river.drift", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tropism\[river\]'"):
        fresh("adwin")
