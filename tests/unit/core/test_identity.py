from __future__ import annotations

import threading
import uuid

import pytest

from tropism.core.identity import Identifiers, is_id, tag_of, task_tag, time_of


def test_ids_are_uuid7_that_sort_by_time_and_carry_their_task() -> None:
    ids = Identifiers()
    tag = task_tag("price")
    made = [ids.new(at, tag) for at in (1_000_000, 2_000_000, 2_000_000, 900_000_000_000_000)]

    assert made == sorted(made)
    assert all(uuid.UUID(one).version == 7 and uuid.UUID(one).variant == uuid.RFC_4122 for one in made)
    assert {tag_of(one) for one in made} == {tag}
    assert [time_of(one) for one in made] == [1_000_000, 2_000_000, 2_000_000, 900_000_000_000_000]


def test_ids_of_many_instances_do_not_collide() -> None:
    made = [ids.new(5_000, 1) for ids in [Identifiers() for _ in range(200)] for _ in range(50)]
    assert len(set(made)) == len(made)


def test_what_is_no_id_is_told_apart() -> None:
    assert is_id(Identifiers().new(0))
    for text in ("", "42", str(uuid.uuid4()), Identifiers().new(0).upper()):
        assert not is_id(text)


def test_several_ids_are_those_that_one_after_the_other_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for start in (0, 5, 2**32 - 4, 2**32 - 2, 2**46 - 3, 2**57 - 1):
        one, many = Identifiers(), Identifiers()
        for ids in (one, many):
            ids.new(0)
            monkeypatch.setattr(ids, "_random", start)
        expected = [one.new(5_000, 7) for _ in range(8)]
        assert [*many.several(5_000, 7, 1), *many.several(5_000, 7, 6), many.new(5_000, 7)] == expected
        assert expected == sorted(set(expected))
        assert all(is_id(made) and tag_of(made) == 7 and time_of(made) == 5_000 for made in expected)


def test_threads_that_make_several_at_once_never_make_the_same() -> None:
    ids, made = Identifiers(), list[str]()
    threads = [threading.Thread(target=lambda: made.extend(ids.several(5_000, 1, 50))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1_000


def test_no_ids_are_no_ids() -> None:
    assert Identifiers().several(0, 7, 0) == []
