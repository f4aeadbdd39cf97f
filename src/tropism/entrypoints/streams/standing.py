"""How far consumers are: asked from the broker where its address is known, else as they said last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import NotReady
from tropism.entrypoints.streams.consuming import PREFIX
from tropism.entrypoints.streams.dead_letters import DeadLetters
from tropism.entrypoints.streams.opening import broker_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.entrypoints.streams.base import Standing
    from tropism.features.brokers import Address
    from tropism.wiring import Platform

_TIMEOUT = 3.0


class Stood(msgspec.Struct, frozen=True):
    """One source's standing in a partition. `at`: when the broker said so, µs; None where it never did.

    `away`: why the broker could not be asked now; the figures are older then.
    """

    source: str
    partition: str
    consumed: str | None
    end: str | None
    lag: int | None
    dead_letters: int
    at: int | None
    away: str = ""


def stood(platform: Platform, addresses: Mapping[str, Address]) -> list[Stood]:
    """Of every source that was consumed or has dead letters, by source and partition.

    `addresses`: of the sources whose broker is to be asked now.
    """
    known = _kept(platform)
    reasons: dict[str, str] = {}
    for source, address in addresses.items():
        try:
            now = platform.clock.now()
            for one in asyncio.run(_asked(address)):
                known[source, one.partition] = msgspec.to_builtins(one) | {"at": now}
        except NotReady as error:
            reasons[source] = error.message
    dead = DeadLetters(platform.lake).counts()
    found = []
    for source, partition in sorted({*known, *dead}):
        values: dict[str, Any] = known.get((source, partition), {})
        figures = {name: values.get(name) for name in ("consumed", "end", "lag", "at")}
        count, reason = dead.get((source, partition), 0), reasons.get(source, "")
        found.append(Stood(source, partition, dead_letters=count, away=reason, **figures))
    return found


def _kept(platform: Platform) -> dict[tuple[str, str], dict[str, Any]]:
    """What consumers said last, by source and partition."""
    kept = {}
    for name, values in platform.registry.progress.all(PREFIX).items():
        source, _, partition = name.removeprefix(PREFIX).partition("/")
        kept[source, partition] = values
    return kept


async def _asked(address: Address) -> list[Standing]:
    broker = broker_at(address)
    try:
        async with asyncio.timeout(_TIMEOUT):
            await broker.open(join=False)
            return await broker.standings()
    except TimeoutError as error:
        raise broker.away(f"no answer in {_TIMEOUT:g} s") from error
    finally:
        await broker.close()
