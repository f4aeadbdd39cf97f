from __future__ import annotations

import asyncio

import pytest

from tropism.core.errors import InvalidInput, Overloaded
from tropism.entrypoints.api.deadlines import deadline


async def wait(*headers: tuple[bytes, bytes]) -> str:
    async with deadline({"headers": list(headers)}):
        await asyncio.sleep(0)
        return "done"


async def test_work_that_is_done_in_time_is_not_touched() -> None:
    assert await wait() == await wait((b"x-timeout-ms", b"5000")) == "done"


async def test_what_would_come_too_late_is_refused() -> None:
    with pytest.raises(Overloaded) as caught:
        async with deadline({"headers": [(b"x-timeout-ms", b"1")]}):
            await asyncio.Event().wait()
    assert (caught.value.faults[0].field, caught.value.faults[0].value) == ("x-timeout-ms", "1 ms")


@pytest.mark.parametrize("text", [b"", b"soon", b"-1", b"0", b"1.5", b"600001", b"9" * 5000])
async def test_a_time_out_that_is_none_is_named(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        await wait((b"x-timeout-ms", text))
