from __future__ import annotations

import msgspec
import numpy as np

from tropism.experiments.comparison import compare
from tropism.experiments.evidence import Evidence


def _evidence() -> Evidence:
    rng = np.random.default_rng(0)
    return compare(rng.normal(1, 0.3, 200), rng.normal(0.9, 0.3, 200), cohorts=np.arange(200) // 20, alpha=0.1)


def test_survives_json() -> None:
    evidence = _evidence()
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence
    early = compare([1.0], [0.5])
    assert msgspec.json.decode(msgspec.json.encode(early), type=Evidence) == early


def test_agrees_with_what_is_computed_again_and_not_with_anything_else() -> None:
    evidence = _evidence()
    assert evidence.agrees(_evidence())
    assert evidence.agrees(msgspec.structs.replace(evidence, estimate=evidence.estimate * (1 + 1e-12)))
    assert not evidence.agrees(msgspec.structs.replace(evidence, estimate=evidence.estimate * 1.001))
    assert not evidence.agrees(msgspec.structs.replace(evidence, verdict="worse"))
    assert not evidence.agrees(msgspec.structs.replace(evidence, lower=None))


def test_parameters_are_kept_with_the_result() -> None:
    evidence = _evidence()
    assert (evidence.alpha, evidence.margin, evidence.min_outcomes, evidence.plan) == (0.1, 0.0, 30, 300)
    assert evidence.days == 10
