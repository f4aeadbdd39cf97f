from __future__ import annotations

import pytest

from tropism.core.clock import DAY
from tropism.core.flag import Flag
from tropism.registry import Registry
from tropism.registry.flag_exposures import HOUR, Exposed

T0 = 1_700_000_000 * 1_000_000


@pytest.fixture(autouse=True)
def _flags(registry: Registry) -> None:
    for key in ("beta", "gamma"):
        registry.flags.put(Flag(key=key), actor="ann", now=1)


def test_what_was_given_adds_up_and_the_last_day_is_told_apart(registry: Registry) -> None:
    exposures = registry.flags.exposures
    assert exposures.of("beta", now=T0) == ()
    exposures.add({("beta", "on"): 3, ("beta", "off"): 1, ("gamma", ""): 2}, now=T0)
    exposures.add({("beta", "on"): 4}, now=T0 + 5)
    exposures.add({("beta", "on"): 5}, now=T0 + DAY + HOUR)
    assert exposures.of("beta", now=T0 + DAY + HOUR) == (
        Exposed(variant="off", day=0, ever=1, last_at=T0),
        Exposed(variant="on", day=5, ever=12, last_at=T0 + DAY + HOUR),
    )
    assert exposures.of("beta", now=T0 + 6)[1].day == 7 + 5
    assert exposures.last() == {"beta": T0 + DAY + HOUR, "gamma": T0}


def test_old_hours_go_and_the_total_stays(registry: Registry) -> None:
    exposures = registry.flags.exposures
    for day in range(40):
        exposures.add({("beta", "on"): 1}, now=T0 + day * DAY)
    (found,) = exposures.of("beta", now=T0 + 39 * DAY)
    assert (found.day, found.ever) == (1, 40)
    with registry.db.read() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM flag_exposures").scalar()
    assert rows is not None
    assert rows <= 4


def test_a_flag_that_is_made_again_begins_anew(registry: Registry) -> None:
    registry.flags.exposures.add({("beta", "on"): 1}, now=T0)
    registry.flags.delete("beta", actor="ann", now=2)
    registry.flags.exposures.add({("beta", "on"): 1}, now=T0)  # a data plane's, which had it until now
    registry.flags.put(Flag(key="beta"), actor="ann", now=3)
    assert registry.flags.exposures.of("beta", now=T0) == ()


def test_counting_moves_no_generation_and_leaves_no_audit_row(registry: Registry) -> None:
    before = registry.aliases.generation(), registry.audit.head(), registry.flags.revision()
    registry.flags.exposures.add({("beta", "on"): 1}, now=T0)
    assert (registry.aliases.generation(), registry.audit.head(), registry.flags.revision()) == before
