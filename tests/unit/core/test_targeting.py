from __future__ import annotations

import pytest

from tropism.core.errors import InvalidInput
from tropism.core.targeting import parse
from tropism.core.targeting_fit import untargetable
from tropism.core.task import Feature, Task

TASK = Task(
    name="shop",
    kind="regression",
    target="y",
    features=(Feature("amount"), Feature("country", type="category"), Feature("new", type="boolean")),
)


@pytest.mark.parametrize(
    ("text", "place", "fix"),
    [
        ("country = 'DE'", 9, "write == to compare"),
        ("  amount > ", 11, "compare attributes with constants"),
        ("amount > limit", 10, "give a constant here"),
        ("f(amount) > 3", 1, "compare attributes with constants"),
        ("(lambda: 1)() == 1", 1, "compare attributes with constants"),
        ("name == 'é' and amount < 'x'", 26, "only numbers have an order"),
        ("country in 'DE'", 12, "give constants in brackets"),
        ("country == None", 12, "is None"),
        ("country is 'DE'", 12, "write == to compare"),
        ("premium and True", 13, "compare attributes with constants"),
        ("name == '\\d'", 1, ""),
        ("amount < 1e999", 10, "write a smaller number"),
        ("", 1, "compare attributes with constants"),
        ("\0", 1, ""),
        ("\ud800", 1, ""),
        ("a == 1 and " * 200 + "b", 1_001, "use at most 1000 characters"),
        ("(" * 400 + "a" + ")" * 400, 200, ""),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(text: str, place: int, fix: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text, "flags.new.when")
    (fault,) = caught.value.faults
    assert fault.field == "flags.new.when"
    assert fix in fault.fix
    assert not fix or f"at character {place}" in fault.value


def test_a_rule_nested_as_deeply_as_can_be_is_read() -> None:
    assert parse("not " * 240 + "a == 1") == parse("a == 1")


@pytest.mark.parametrize(
    ("text", "value", "fix"),
    [
        ("amout > 10", '"amout", which the task', "use its features: amount, country, new"),
        ("country > 10", "country compared with 10.0", "a text in quotes"),
        ("amount == 3 and amount in (1, 'b')", "amount compared with 'b'", "a number"),
        ("new == 'yes'", "new compared with 'yes'", "True or False"),
        ("plan is not None", '"plan"', "use its features"),
    ],
)
def test_a_rule_that_no_request_of_the_task_can_meet_is_named(text: str, value: str, fix: str) -> None:
    (fault,) = untargetable(text, TASK)
    assert fault.field == "targeting"
    assert fault.value.startswith(value)
    assert fix in fault.fix


@pytest.mark.parametrize("text", ["", "amount > 10 and country in ('DE', 'NL') and not new", "country is None"])
def test_a_rule_over_the_features_of_the_task_is_fine(text: str) -> None:
    assert untargetable(text, TASK) == []
