from __future__ import annotations

import pytest

from tropism.core.errors import InvalidInput
from tropism.serving.options import PLAIN, PredictOptions, predict_options


@pytest.mark.parametrize(
    ("query", "options"),
    [
        (b"", PLAIN),
        (b"version=3", PredictOptions(version=3)),
        (b"explain=TRUE", PredictOptions(explain=True)),
        (b"explain=0&version=2147483647", PredictOptions(version=2147483647)),
    ],
)
def test_options_are_read(query: bytes, options: PredictOptions) -> None:
    assert predict_options(query) == options


@pytest.mark.parametrize(
    ("query", "field", "fix"),
    [
        (b"verison=3", "verison", "did you mean 'version'?"),
        (b"limit=3", "limit", "use: version, explain"),
        (b"version=0", "version", "its number"),
        (b"version=-1", "version", "its number"),
        (b"version=", "version", "its number"),
        (b"version=2147483648", "version", "its number"),
        (b"version=99999999999999999999", "version", "its number"),
        (b"version=latest", "version", "its number"),
        (b"version=%c2%b2", "version", "its number"),
        (b"version=1&version=2", "version", "send it once"),
        (b"explain=maybe", "explain", "true or false"),
        (b"explain=", "explain", "true or false"),
        (b"\xff\xfe=1", "ÿþ", "use: version, explain"),
        (b"version=1&" + b"a" * 3_000, "a" * 100, "use: version, explain"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(query: bytes, field: str, fix: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        predict_options(query)
    assert refused.value.faults[0].field == field
    assert fix in refused.value.faults[0].fix


def test_every_fault_of_a_query_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        predict_options(b"version=x&explain=y&z=1")
    assert {fault.field for fault in refused.value.faults} == {"version", "explain", "z"}
