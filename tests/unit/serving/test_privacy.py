from __future__ import annotations

import pytest

from tropism.core.errors import NotReady
from tropism.core.events import Prediction
from tropism.core.identity import Identifiers
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Task
from tropism.serving.privacy import Privacy, sampled
from tropism.serving.requests import Ask

FEATURES = (Feature("income"), Feature("city", "category"), Feature("kind", "category"))


def task(**policy: object) -> Task:
    return Task(name="loan", kind="binary", target="y", features=FEATURES, journal=JournalPolicy(**policy))  # type: ignore[arg-type]


def event(**fields: object) -> Prediction:
    values = {"income": 5.0, "city": "Ghent", "kind": "new"}
    return Prediction(id="x", task="loan", at=1, features=values, entity="ann", unit="u", **fields)  # type: ignore[arg-type]


def test_equal_texts_have_equal_hashes_within_a_field_of_a_task_only() -> None:
    privacy = Privacy(b"k" * 32)
    known = privacy.hashed("loan", "city", "Ghent")
    assert known == Privacy(b"k" * 32).hashed("loan", "city", "Ghent")
    assert "Ghent" not in known
    others = {
        privacy.hashed("loan", "city", "Ghent "),
        privacy.hashed("loan", "kind", "Ghent"),
        privacy.hashed("rent", "city", "Ghent"),
        Privacy(b"other").hashed("loan", "city", "Ghent"),
    }
    assert known not in others
    assert len(others) == 4


def test_hashed_categories_are_hashed_before_a_model_sees_them() -> None:
    privacy = Privacy(b"k")
    asked = privacy.asked(task(hash=("city",)), Ask({"income": 5.0, "city": "Ghent", "kind": "new"}, ()))
    assert asked.row == {"income": 5.0, "city": privacy.hashed("loan", "city", "Ghent"), "kind": "new"}
    missing = Ask({"income": 5.0, "city": None, "kind": "new"}, ())
    assert privacy.asked(task(hash=("city",)), missing) == missing


def test_what_is_recorded_lacks_what_is_redacted_and_hides_who_it_is_about() -> None:
    privacy = Privacy(b"k")
    recorded = privacy.recorded(task(redact=("income",), hash=("entity", "unit")), event())
    assert recorded is not None
    assert recorded.features == {"income": None, "city": "Ghent", "kind": "new"}
    assert recorded.entity == privacy.hashed("loan", "entity", "ann")
    assert recorded.unit == privacy.hashed("loan", "unit", "u")


def test_without_a_secret_nothing_is_recorded_in_clear() -> None:
    with pytest.raises(NotReady):
        Privacy(None).recorded(task(hash=("entity",)), event())
    assert Privacy(None).recorded(task(redact=("income",)), event()) is not None


def test_a_sample_is_of_its_size_and_a_retry_is_decided_alike() -> None:
    ids = Identifiers().several(1_700_000_000_000_000, 7, 20_000)
    chosen = [sampled(one, 0.1) for one in ids]
    assert 1_800 < sum(chosen) < 2_200
    assert chosen == [sampled(one, 0.1) for one in ids]
    assert all(sampled(one, 0.5) for one, taken in zip(ids, chosen, strict=True) if taken)


def test_what_is_imported_is_always_recorded_but_hidden_alike() -> None:
    privacy = Privacy(b"k")
    policy = task(sample=1e-12, redact=("income",), hash=("city",))
    recorded = privacy.imported(policy, event())
    city = privacy.hashed("loan", "city", "Ghent")
    assert recorded.features == {"income": None, "city": city, "kind": "new"}
