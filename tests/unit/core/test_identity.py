from __future__ import annotations

import uuid

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
