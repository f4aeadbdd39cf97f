from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.learners.model import Model
from tropism.training.optimise.base import DoesNotFit, Sample
from tropism.training.optimise.findings import size_of
from tropism.training.optimise.fp16 import Half
from tropism.training.optimise.int8_static import Int8Static
from tropism.training.optimise.pruning import Pruning
from tropism.training.optimise.quality import Judge
from tropism.training.optimise.targets import TARGETS, Chain, techniques


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_has_techniques_with_names_of_their_own(target: str, judge: Judge) -> None:
    names = [one.name for one in techniques(target, judge)]  # type: ignore[arg-type]
    assert names and len(set(names)) == len(names)


def test_targets_are_what_they_are_said_to_be(judge: Judge) -> None:
    assert [one.name for one in techniques("gpu", judge)] == ["fp16"]
    assert {"int8-dynamic", "int8-static", "pruned", "distilled", "early-exit"} < {
        one.name for one in techniques("cpu", judge)
    }
    assert "pruned+int8-static" in {one.name for one in techniques("mobile", judge)}


def test_a_chain_does_one_thing_after_the_other(
    network_of: Callable[..., Model], rows_of: Callable[..., Sample], judge: Judge
) -> None:
    model, rows = network_of("binary", "64,64"), rows_of("binary")
    pruning = Pruning(judge=judge)
    pruned, both = pruning.apply(model, rows), Chain(pruning, Int8Static()).apply(model, rows)
    assert both.origin.learner == "mlp+pruned+int8-static"
    assert np.array_equal(Int8Static().apply(pruned, rows).predict(rows.features), both.predict(rows.features))
    assert size_of(both) < 0.5 * size_of(pruned)


def test_a_chain_ends_where_one_does_not_fit(
    trees_of: Callable[..., Model], rows_of: Callable[..., Sample], judge: Judge
) -> None:
    with pytest.raises(DoesNotFit, match="fp16"):
        Chain(Half(), Pruning(judge=judge)).apply(trees_of("binary"), rows_of("binary"))
