from __future__ import annotations

import pytest

from tropism.core.errors import (
    Conflict,
    DiskFull,
    Fault,
    InvalidInput,
    MissingExtra,
    NotReady,
    PolicyRefused,
    RateLimited,
    TooLarge,
    TrainingFailed,
    TropismError,
    UnknownVersion,
)
from tropism.entrypoints.api.protocols.grpc_status import CODES, code_of, details_of

grpc = pytest.importorskip("grpc")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (InvalidInput, "INVALID_ARGUMENT"),
        (TooLarge, "INVALID_ARGUMENT"),
        (UnknownVersion, "NOT_FOUND"),
        (RateLimited, "RESOURCE_EXHAUSTED"),
        (DiskFull, "RESOURCE_EXHAUSTED"),
        (NotReady, "UNAVAILABLE"),
        (PolicyRefused, "PERMISSION_DENIED"),
        (Conflict, "ABORTED"),
        (MissingExtra, "UNIMPLEMENTED"),
        (TrainingFailed, "INTERNAL"),
    ],
)
def test_an_error_has_the_code_of_its_class(kind: type[TropismError], code: str) -> None:
    assert code_of(kind("no")) == code


def test_every_code_is_one_of_grpcs() -> None:
    assert all(hasattr(grpc.StatusCode, code) for code in CODES.values())


def test_details_fit_into_a_header() -> None:
    faults = [Fault(f"row {index}: größe", "x" * 80, "send a number") for index in range(50)]
    told = details_of(InvalidInput("fifty faults", *faults))
    assert told.startswith("fifty faults (row 0: größe")
    assert len(told.encode()) < 2_000
    assert details_of(InvalidInput("one", faults[0])).endswith("send a number)")
