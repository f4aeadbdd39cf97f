from __future__ import annotations

import pytest

from tropism.core.errors import InvalidInput, MalformedBody, UnknownFeature
from tropism.core.task import Feature, Task
from tropism.serving.tabular import Limits, decode

KIND = "application/jsonl"
FULL = b'"amount": 1, "country": "NL", "new": true, "size": 2'


def test_elements_of_predict_are_lines_too(task: Task, limits: Limits) -> None:
    flat = decode(b'{%s, "entity": "a"}\n' % FULL, KIND, task, limits)
    nested = decode(b'{"features": {%s}, "entity": "a"}\n' % FULL, KIND, task, limits)
    assert nested.equals(flat, check_metadata=True)


def test_empty_lines_and_a_mark_do_not_count(task: Task, limits: Limits) -> None:
    body = b"\xef\xbb\xbf\n{%s}\r\n\n  \n{%s}" % (FULL, FULL)
    assert decode(body, KIND, task, limits).num_rows == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{%s" % FULL, "row 2 is cut off"),
        (b"{'amount': 1}", "row 2 is not JSON"),
        (b'{"amount": NaN}', "NaN is not a JSON number"),
        (b'{"amount": "\xff"}', "row 2 is not UTF-8"),
        (b"[" * 5_000, "row 2 is nested too deeply"),
    ],
)
def test_a_line_that_is_not_json_is_named(line: bytes, words: str, task: Task, limits: Limits) -> None:
    with pytest.raises(MalformedBody, match=words) as caught:
        decode(b"{%s}\n%s\n{%s}\n" % (FULL, line, FULL), KIND, task, limits)
    assert caught.value.faults[0].field == "row 2"


@pytest.mark.parametrize("line", [b"[1, 2]", b"5", b"null", b'"text"'])
def test_a_line_that_is_no_object_is_named(line: bytes, task: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match="row 1 is not a JSON object"):
        decode(line, KIND, task, limits)


@pytest.mark.parametrize(("value", "shown"), [(b'"1"', '"1"'), (b"true", "true"), (b"[1]", "a list")])
def test_values_have_the_types_that_they_have_in_single_rows(
    value: bytes, shown: str, task: Task, limits: Limits
) -> None:
    with pytest.raises(InvalidInput, match="feature 'amount' is not a number") as caught:
        decode(b'{"amount": %s, "country": "NL", "new": true, "size": 2}' % value, KIND, task, limits)
    assert (caught.value.faults[0].field, caught.value.faults[0].value) == ("row 1, amount", shown)


def test_a_field_beside_the_features_must_be_known(task: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match='there is no field "entiti"'):
        decode(b'{"features": {%s}, "entiti": "a"}' % FULL, KIND, task, limits)
    with pytest.raises(UnknownFeature) as caught:
        decode(b'{%s, "entiti": "a"}' % FULL, KIND, task, limits)
    assert caught.value.faults[0].field == "row 1, entiti"


def test_a_feature_may_have_the_name_of_what_is_carried(limits: Limits) -> None:
    task = Task(name="t", kind="binary", target="y", features=(Feature("at"), Feature("unit", "category")))
    found = decode(b'{"at": 2.5, "unit": "cm"}\n', KIND, task, limits)
    assert found.to_pylist() == [{"at": 2.5, "unit": "cm"}]
    assert decode(b"at,unit\n2.5,cm\n", "text/csv", task, limits).to_pylist() == found.to_pylist()
