from __future__ import annotations

from typing import Any

import pytest

from tropism.entrypoints.replay.record import Decision
from tropism.entrypoints.replay.wording import evidence_words, figure, headline


def decision(kind: str, version: int | None = 3, **evidence: Any) -> Decision:
    return Decision("id", 0, kind, "t", version, evidence)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (decision("promote"), "Version 3 was promoted."),
        (decision("promote", 1, comparison="baseline"), "Version 1 was promoted, as the first model."),
        (decision("reject"), "Version 3 was rejected."),
        (decision("rollback", 2), "Version 2 was brought back."),
        (decision("train"), "Version 3 was trained."),
        (decision("train", None, failure="one class only"), "A training ended without a model: one class only."),
        (decision("pause"), "Version 3 pause was decided."),
    ],
)
def test_a_decision_in_a_sentence(one: Decision, words: str) -> None:
    assert headline(one) == words


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            decision("reject", n=40, metric="mae", estimate=-0.5, lower=-0.9, upper=-0.1),
            "40 outcomes; mean absolute error worse by 0.5000 (between 0.1000 and 0.9000)",
        ),
        (
            decision("wait", n=12, estimate=0.1, lower=None, upper=None),
            "12 outcomes; loss better by 0.1000 (no bounds yet)",
        ),
        (decision("wait", n=12, waiting_for="outcomes"), "12 outcomes; waiting for more outcomes"),
        (decision("train", reasons=["50 new labels", "drift"]), "50 new labels; drift"),
        (decision("keep", reason="the champion changed"), "the champion changed"),
        (decision("promote"), ""),
        (decision("promote", n="many", estimate=float("nan"), lower={}, upper=[]), ""),
    ],
)
def test_evidence_in_words(one: Decision, words: str) -> None:
    assert evidence_words(one) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0000"), (-1.0, "-1.000"), (999.96, "1000.0"), (float("nan"), ""), (1e9, "1,000,000,000")],
)
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text
