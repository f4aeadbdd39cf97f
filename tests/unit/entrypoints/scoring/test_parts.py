from __future__ import annotations

import msgspec
import pytest

from tropism.core import errors
from tropism.core.errors import Fault, TropismError
from tropism.entrypoints.scoring.parts import Problem


@pytest.mark.parametrize(
    "kind", [errors.MissingFeature, errors.InvalidInput, errors.NotReady, errors.DiskFull, TropismError]
)
def test_errors_keep_their_kind_on_their_way(kind: type[TropismError]) -> None:
    sent = msgspec.msgpack.encode(Problem.of(kind("it is so", Fault("a", "1", "do this"))))
    error = msgspec.msgpack.decode(sent, type=Problem).error()
    assert type(error) is kind
    assert str(error) == "it is so\n  a: got 1; do this"
