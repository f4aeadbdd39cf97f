from __future__ import annotations

import msgspec
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Task

FEATURES = (Feature("income"), Feature("city", "category"), Feature("entity", "category"))


def task(policy: JournalPolicy) -> Task:
    return Task(name="loan", kind="binary", target="y", features=FEATURES, journal=policy)


def test_a_policy_travels_with_its_task() -> None:
    declared = task(JournalPolicy(sample=0.25, redact=("income",), hash=("city", "unit")))
    assert msgspec.json.decode(msgspec.json.encode(declared), type=Task) == declared


def test_a_task_stored_before_there_were_policies_records_everything() -> None:
    stored = msgspec.to_builtins(task(JournalPolicy()))
    del stored["journal"]
    assert msgspec.convert(stored, Task).journal == JournalPolicy()


@pytest.mark.parametrize(
    ("policy", "field", "value", "fix"),
    [
        (JournalPolicy(sample=0), "journal.sample", "0", "above 0"),
        (JournalPolicy(sample=1.01), "journal.sample", "1.01", "up to 1"),
        (JournalPolicy(sample=float("nan")), "journal.sample", "nan", "above 0"),
        (JournalPolicy(redact=("age",)), "journal.redact", "'age'", "income, city"),
        (JournalPolicy(redact=("income", "income")), "journal.redact", "'income'", "once"),
        (JournalPolicy(redact=("income", "city", "entity")), "journal.redact", "every feature", "at least one"),
        (JournalPolicy(hash=("income",)), "journal.hash", "'income'", "only texts"),
        (JournalPolicy(hash=("age",)), "journal.hash", "'age'", "city, entity, entity, unit"),
        (JournalPolicy(hash=("city",), redact=("city",)), "journal.hash", "'city'", "either"),
        (JournalPolicy(hash=("entity",)), "journal.hash", "'entity'", "rename the feature"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(policy: JournalPolicy, field: str, value: str, fix: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        task(policy)
    fault = refused.value.faults[0]
    assert (fault.field, fault.value) == (field, value)
    assert fix in fault.fix


def test_models_learn_from_what_is_recorded_only() -> None:
    plain = task(JournalPolicy(hash=("city",)))
    assert plain.learnt is plain
    assert task(JournalPolicy(redact=("income",))).learnt.feature_names == ("city", "entity")
