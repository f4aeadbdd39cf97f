from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tropism.registry import Registry


def test_one_holder_at_a_time(registry: Registry) -> None:
    assert registry.leases.acquire("loop", "a", 10, now=100) == 1
    assert registry.leases.acquire("loop", "b", 10, now=105) is None
    assert registry.leases.acquire("other", "b", 10, now=105) == 1


def test_asking_again_for_what_is_held_holds_it_longer(registry: Registry) -> None:
    registry.leases.acquire("loop", "a", 10, now=100)
    assert registry.leases.acquire("loop", "a", 10, now=108) == 1
    assert registry.leases.acquire("loop", "b", 10, now=115) is None
    lease = registry.leases.get("loop")
    assert lease is not None
    assert (lease.holder, lease.expires_at) == ("a", 118)


def test_an_expired_lease_goes_to_another_with_a_greater_token(registry: Registry) -> None:
    registry.leases.acquire("loop", "a", 10, now=100)
    assert registry.leases.acquire("loop", "b", 10, now=110) == 2
    assert not registry.leases.renew("loop", 1, 10, now=111)
    assert not registry.leases.release("loop", 1)
    assert registry.leases.renew("loop", 2, 10, now=111)
    assert registry.leases.acquire("loop", "a", 10, now=120) is None


def test_a_holder_that_expired_gets_a_greater_token_too(registry: Registry) -> None:
    registry.leases.acquire("loop", "a", 10, now=100)
    assert registry.leases.acquire("loop", "a", 10, now=200) == 2


def test_a_released_lease_is_free_at_once(registry: Registry) -> None:
    assert registry.leases.acquire("loop", "a", 10, now=100) == 1
    assert registry.leases.release("loop", 1)
    assert registry.leases.acquire("loop", "b", 10, now=101) == 2


def test_a_name_that_was_never_leased_has_none(registry: Registry) -> None:
    assert registry.leases.get("loop") is None
    assert not registry.leases.renew("loop", 1, 10, now=1)
