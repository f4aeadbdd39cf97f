from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.ensemble_combining import Votes
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.learners.voting import Voting

MEMBERS = "lightgbm, linear, random-forest"


def test_soft_votes_are_the_mean_of_the_members(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    task, data, fresh = make_task("multiclass"), make_data("multiclass"), make_data("multiclass", seed=6).features
    found = fit_learner(Voting(members=MEMBERS), task, data).predict(fresh)
    alone = [fit_model(task, name, data).predict(fresh) for name in ("lightgbm", "linear", "random-forest")]
    np.testing.assert_allclose(found, np.mean(alone, axis=0), atol=1e-12)


def test_hard_votes_are_those_of_the_members(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    task, data, fresh = make_task("binary"), make_data("binary"), make_data("binary", seed=6).features
    found = fit_learner(Voting(members=MEMBERS, votes="hard"), task, data).predict(fresh)
    alone = [fit_model(task, name, data).predict(fresh) for name in ("lightgbm", "linear", "random-forest")]
    votes = np.sum([one >= 0.5 for one in alone], axis=0)
    np.testing.assert_array_equal(found >= 0.5, votes >= 2)
    np.testing.assert_allclose(found, (votes + np.mean(alone, axis=0)) / 4)
    assert isinstance(fit_learner(Voting(votes="hard"), task, data).estimator.combination, Votes)  # type: ignore[attr-defined]


@pytest.mark.parametrize("votes", ["loud", "", 1])
def test_other_votes_are_refused(votes: object) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Voting(votes=votes)  # type: ignore[arg-type]
    assert caught.value.faults[0].field == "votes"
