from __future__ import annotations

from collections.abc import Callable

import lightgbm
import numpy as np
import pytest

from tropism.core.errors import TrainingFailed
from tropism.core.task import Task
from tropism.learners.base import Encoded
from tropism.learners.tree_growing import grow


def test_what_lightgbm_says_when_it_gives_up_is_passed_on(
    make_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise lightgbm.basic.LightGBMError("bin size 257 cannot run")

    monkeypatch.setattr(lightgbm, "train", give_up)
    data = Encoded(np.zeros((4, 4)), np.array([0.0, 1.0, 0.0, 1.0]), np.arange(4))
    with pytest.raises(TrainingFailed, match="bin size 257"):
        grow(3, {}, data, make_task("binary"), 0)
