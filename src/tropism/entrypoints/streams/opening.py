"""The broker of an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.plugins import require

if TYPE_CHECKING:
    from tropism.entrypoints.streams.base import Broker
    from tropism.features.brokers import Address

_CLIENTS = {"redis": "redis", "nats": "nats", "kafka": "aiokafka"}


def broker_at(address: Address, consumer: str = "") -> Broker:
    """A broker that is not open yet. `consumer`: a name of this process's own within the group.

    Raises:
        MissingExtra: `faststream` or the client of this broker is not installed.
    """
    for module in ("faststream", _CLIENTS[address.kind]):
        require(module, "streams")
    if address.kind == "redis":
        from tropism.entrypoints.streams.redis import RedisStream

        return RedisStream(address, consumer)
    if address.kind == "nats":
        from tropism.entrypoints.streams.nats import JetStream

        return JetStream(address)
    from tropism.entrypoints.streams.kafka import KafkaTopic

    return KafkaTopic(address)
