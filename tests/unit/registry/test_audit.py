from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import delete, text, update

from tropism.core.errors import InvalidInput
from tropism.registry.audit import HEAD, append
from tropism.storage.tables.schema import audit, progress

if TYPE_CHECKING:
    from tropism.registry import Registry


@pytest.fixture(autouse=True)
def _rows(registry: Registry) -> None:
    for number in range(1, 7):
        _append(registry, number)


def _append(registry: Registry, number: int) -> int:
    with registry.db.exclusive() as connection:
        subject, detail = f"m/{number}", {"n": number}
        return append(connection, at=number, actor="ann", action="version.registered", subject=subject, detail=detail)


def _change(registry: Registry, seq: int, **values: Any) -> None:
    with registry.db.begin() as connection:
        sets = ", ".join(f"{name} = :{name}" for name in values)  # as text, so that no type stands in the way
        connection.execute(text(f"UPDATE audit SET {sets} WHERE seq = :row"), {**values, "row": seq})


def _delete(registry: Registry, *seqs: int) -> None:
    with registry.db.begin() as connection:
        connection.execute(delete(audit).where(audit.c.seq.in_(seqs)))


def _found(registry: Registry) -> list[tuple[int, str]]:
    return [(finding.seq, finding.problem) for finding in registry.audit.verify()]


def test_a_whole_log_has_no_findings(registry: Registry) -> None:
    assert registry.audit.verify() == ()
    assert [entry.seq for entry in registry.audit.list(limit=2, before=5)] == [4, 3]
    assert registry.audit.head().digest == registry.audit.list(limit=1)[0].digest


@pytest.mark.parametrize("actor", ["", " ", "\x00", "a\nb", "\ud800", "a" * 201])
def test_a_change_by_nobody_that_can_be_seen_is_refused(registry: Registry, actor: str) -> None:
    before = registry.audit.head()
    with pytest.raises(InvalidInput) as refused, registry.db.exclusive() as connection:
        append(connection, at=9, actor=actor, action="a", subject="s", detail={})
    assert refused.value.faults[0].field == "actor"
    refused.value.faults[0].value.encode()
    assert registry.audit.head() == before


def test_the_chain_can_be_checked_by_anyone(registry: Registry) -> None:
    previous = "0" * 64
    for entry in reversed(registry.audit.list()):
        content = [previous, entry.seq, entry.at, entry.actor, entry.action, entry.subject, entry.detail]
        previous = hashlib.sha256(msgspec.json.encode(content)).hexdigest()
        assert entry.digest == previous


@pytest.mark.parametrize(
    "values",
    [
        {"at": 0},
        {"actor": "eve"},
        {"action": "x"},
        {"subject": "x"},
        {"detail": '{"n": 3}'},
        {"previous": "f" * 64},
        {"at": "soon"},
        {"digest": "f" * 64},
    ],
)
@pytest.mark.parametrize("seq", [1, 3, 6])
def test_a_changed_row_is_named(registry: Registry, seq: int, values: dict[str, Any]) -> None:
    _change(registry, seq, **values)
    assert _found(registry) == [(seq, f"row {seq} was changed after it was written")]


@pytest.mark.parametrize("seq", [1, 3, 6])
def test_a_row_forged_with_a_digest_to_match_is_named(registry: Registry, seq: int) -> None:
    entry = registry.audit.list(limit=1, before=seq + 1)[0]
    content = [entry.previous, seq, entry.at, "eve", entry.action, entry.subject, entry.detail]
    digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()
    _change(registry, seq, actor="eve", digest=digest)
    assert [finding.seq for finding in registry.audit.verify()] == [seq]


def test_a_missing_row_is_named(registry: Registry) -> None:
    _delete(registry, 3)
    assert _found(registry) == [(3, "row 3 is missing")]


def test_missing_rows_at_both_ends_are_named(registry: Registry) -> None:
    _delete(registry, 1, 2, 5, 6)
    assert _found(registry) == [(1, "row 1 and all up to 2 are missing"), (5, "row 5 and all up to 6 are missing")]


def test_a_cut_tail_still_shows_after_more_was_written(registry: Registry) -> None:
    _delete(registry, 6)
    assert _found(registry) == [(6, "row 6 is missing")]
    assert _append(registry, 7) == 7
    assert _found(registry) == [(6, "row 6 is missing")]


def test_an_emptied_log_shows(registry: Registry) -> None:
    _delete(registry, 1, 2, 3, 4, 5, 6)
    assert _found(registry) == [(1, "row 1 and all up to 6 are missing")]


def test_a_row_added_past_the_end_is_named(registry: Registry) -> None:
    last = registry.audit.list(limit=1)[0]
    values = {**msgspec.structs.asdict(last), "seq": 7, "previous": last.digest}
    content = [values[name] for name in ("previous", "seq", "at", "actor", "action", "subject", "detail")]
    values["digest"] = hashlib.sha256(msgspec.json.encode(content)).hexdigest()
    with registry.db.begin() as connection:
        connection.execute(audit.insert(), values)
    assert _found(registry) == [(7, "row 7 was added past the end of the log")]


def test_a_lost_note_of_the_end_shows_and_does_not_stop_the_log(registry: Registry) -> None:
    with registry.db.begin() as connection:
        connection.execute(delete(progress).where(progress.c.name == HEAD))
    assert [finding.seq for finding in registry.audit.verify()] == [6]
    assert _append(registry, 7) == 7
    assert registry.audit.verify() == ()


def test_a_garbled_note_of_the_end_is_as_good_as_gone(registry: Registry) -> None:
    with registry.db.begin() as connection:
        connection.execute(update(progress).where(progress.c.name == HEAD).values(value="?"))
    assert [finding.seq for finding in registry.audit.verify()] == [6]
    assert _append(registry, 7) == 7


def test_several_wrongs_are_all_found(registry: Registry) -> None:
    _change(registry, 2, actor="eve")
    _delete(registry, 4, 6)
    assert [finding.seq for finding in registry.audit.verify()] == [2, 4, 6]
