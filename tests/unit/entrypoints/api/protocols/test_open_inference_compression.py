from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InputError, MalformedBody, TooLarge
from tropism.entrypoints.api.protocols.open_inference_compression import decompressed

BODY = b'{"inputs": []}' * 20


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        (None, BODY),
        (b"identity", BODY),
        (b"gzip", gzip.compress(BODY)),
        (b" GZip ", gzip.compress(BODY)),
        (b"deflate", zlib.compress(BODY)),
    ],
)
def test_a_body_comes_out_as_it_was(coding: bytes | None, sent: bytes) -> None:
    assert decompressed(sent, coding, len(BODY)) == BODY


def test_a_body_that_swells_is_refused() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    with pytest.raises(TooLarge, match="too large"):
        decompressed(bomb, b"gzip", 1_000)


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        (b"gzip", BODY),
        (b"gzip", b""),
        (b"gzip", gzip.compress(BODY)[:-3]),
        (b"gzip", gzip.compress(BODY) + b"more"),
        (b"gzip", zlib.compress(BODY)),
        (b"deflate", gzip.compress(BODY)),
    ],
)
def test_a_body_of_another_coding_is_refused(coding: bytes, sent: bytes) -> None:
    with pytest.raises(MalformedBody, match="cannot be decompressed"):
        decompressed(sent, coding, 1_000)


def test_an_unknown_coding_names_the_known() -> None:
    with pytest.raises(InputError, match="unknown way") as caught:
        decompressed(BODY, b"br", 1_000)
    assert "gzip" in caught.value.faults[0].fix


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.sampled_from([b"gzip", b"deflate"]), st.integers(0, 40))
def test_any_bytes_are_refused_or_read(sent: bytes, coding: bytes, cut: int) -> None:
    whole = (gzip.compress if coding == b"gzip" else zlib.compress)(sent)
    damaged = whole[: max(len(whole) - cut, 0)] + sent[:cut]
    try:
        found = decompressed(damaged, coding, 1_000)
    except InputError:
        return
    assert found == sent
