from __future__ import annotations

import pytest

from tropism.core import errors
from tropism.core.errors import Fault, TropismError
from tropism.entrypoints.api.problems import internal, problem, status_of


def every_error(kind: type[TropismError] = TropismError) -> list[type[TropismError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in every_error(below))]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_problem_document(kind: type[TropismError]) -> None:
    document = problem(kind("it went wrong", Fault("port", "8700", "choose another")))
    assert document.code == kind.code
    assert document.type.endswith(f"#{kind.code}")
    assert document.detail == "it went wrong"
    assert document.faults[0].fix == "choose another"
    assert document.title


@pytest.mark.parametrize("kind", every_error(errors.InputError))
def test_what_a_caller_did_wrong_is_never_our_fault(kind: type[TropismError]) -> None:
    assert 400 <= status_of(kind("x")) < 500


def test_statuses_say_what_kind_of_trouble_it_is() -> None:
    expected = {
        errors.UnknownTask: 404,
        errors.MissingFeature: 422,
        errors.MalformedBody: 400,
        errors.TooLarge: 413,
        errors.RateLimited: 429,
        errors.NotReady: 503,
        errors.DiskFull: 507,
        errors.JournalCorrupt: 500,
    }
    assert {kind: status_of(kind("x")) for kind in expected} == expected


def test_of_a_failure_of_ours_nothing_is_told() -> None:
    assert problem(internal()).status == 500
