"""That it is small, as good, and blind to a row's neighbours is shown beside the static form, in test_int8_static."""

from __future__ import annotations

from collections.abc import Callable

from tropism.learners.model import Model
from tropism.training.optimise.base import Sample
from tropism.training.optimise.int8_dynamic import Int8Dynamic


def test_it_does_not_look_at_rows(network_of: Callable[..., Model], rows_of: Callable[..., Sample]) -> None:
    model = network_of("binary")
    first, second = (Int8Dynamic().apply(model, rows_of("binary", 300, seed)).estimator.export() for seed in (1, 2))
    assert first == second
