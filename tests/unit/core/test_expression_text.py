"""Conditions that cannot be used are refused with the place and what would be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.errors import InvalidInput
from tropism.core.expression_text import LONGEST, parse


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("", 1, "missing"),
        ("acuracy < 0.85", 1, "did you mean 'accuracy'?"),
        ("drift > 0.8 and qwerty < 1", 17, "use one of: accuracy"),
        ("accuracy", 1, "compare it"),
        ("accuracy <", 11, "missing"),
        ("accuracy < 85", 10, "85%"),
        ("accuracy = 0.85", 10, "write =="),
        ("accuracy < 0,85", 13, "point"),
        ("accuracy < 0.85 AND drift > 0.8", 17, "'and'"),
        ("accuracy < 0.85 && drift > 0.8", 17, "`and`"),
        ("accuracy < 0.85 drift > 0.8", 17, "operator"),
        ("0.1 < drift < 0.5", 13, "two comparisons"),
        ("latency_p95 > 500", 13, "500ms"),
        ("predictions > 1m", 13, "M for millions"),
        ("loss > 5mins", 9, "there is no unit 'mins'"),
        ("loss > 1e999", 8, "smaller"),
        ("1 < 2", 1, "name a metric"),
        ("not drift", 5, "comparison is needed"),
        ("loss + (drift > 0.1) > 3", 8, "not a comparison"),
        ("drift('age' > 0.1", 13, "')'"),
        ("drift('age > 0.1", 7, "close the quote"),
        ("drift(age) > 0.1", 7, "quotes"),
        ("drift('') > 0.1", 7, "quotes"),
        ("missing > 1%", 1, "missing('age')"),
        ("latency_p95('x') > 1s", 13, "latency_p95 alone"),
        ("'age' > 3", 1, "belong"),
        ("(drift > 0.1))", 14, "nothing more"),
        ("drift > 0.1 ; drop", 13, "means nothing"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, at: int, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text, "rules.mine.when")
    (fault,) = caught.value.faults
    assert fault.field == "rules.mine.when"
    assert fault.value.endswith(f"at character {at}")
    assert says in fault.fix


@pytest.mark.parametrize("text", ["(" * 5_000 + "drift > 0.1", "not " * 5_000 + "drift > 0.1", "loss > " + "-" * 5_000])
def test_a_condition_cannot_be_so_deep_that_it_breaks(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"at most {LONGEST}"):
        parse(text)


def test_the_longest_conditions_work() -> None:
    for text in ("(" * 95 + "drift > 0.1" + ")" * 95, "not " * 190 + "drift > 0.1", "loss" + " + loss" * 95 + " > 1"):
        condition = parse(text)
        assert parse(str(condition)) == condition


@given(st.text("ab <>=!()'\"%.e0591msdkM+-*/\\\n\0é" + "andornt", max_size=40) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = parse(text)
    except InvalidInput as error:
        assert error.faults[0].fix
    else:
        assert parse(str(condition)) == condition
