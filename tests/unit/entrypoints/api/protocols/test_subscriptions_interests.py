from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.entrypoints.api.protocols.subscriptions_interests import Interests, Wish

TASKS, ENTITIES, PEOPLE = st.sampled_from("tu"), st.sampled_from("abc"), st.sampled_from("xyz")
WISHES = st.builds(Wish, TASKS, st.none() | st.frozensets(ENTITIES, min_size=1))


@settings(derandomize=True, deadline=None)
@given(steps=st.lists(st.tuples(PEOPLE, st.none() | WISHES), max_size=20))
def test_it_finds_whom_looking_at_every_wish_would_find(steps: list[tuple[str, Wish | None]]) -> None:
    interests: Interests[str] = Interests()
    wishes: dict[str, Wish] = {}
    for who, wish in steps:
        if wish is None:
            interests.drop(who)
            wishes.pop(who, None)
        else:
            interests.put(who, wish)
            wishes[who] = wish
    assert interests.wishes == wishes
    assert (len(interests), bool(interests)) == (len(wishes), bool(wishes))
    for task in "tu":
        for entity in ("a", "b", "c", None):
            expected = {
                who
                for who, wish in wishes.items()
                if wish.task == task and (wish.entities is None or entity in wish.entities)
            }
            assert interests.of(task, entity) == expected


def test_nothing_is_kept_of_those_who_left() -> None:
    interests: Interests[str] = Interests()
    interests.put("x", Wish("t", frozenset("abc")))
    interests.drop("x")
    interests.drop("x")
    assert not interests._places
