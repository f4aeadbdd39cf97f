"""Settings of the feature store."""

from __future__ import annotations

import msgspec


class FeatureSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`online`: where features that are served lie: `redis://host:6379/0`, `lmdb:///folder`, `sqlite:///path`; a SQLite
    file of the state folder when empty. `follow_every`: time between two looks at what is new in the streams, and at
    which views are due. `retry`: how long a view whose source failed is left alone. `memory_mb`: for the join of a
    training set; above it, it goes through files.

    `streams`: a broker's address by the name of the stream whose events come from it, as `brokers.parse_address` reads
    it; each has a consumer. `stream_batch`: most messages that a consumer takes at a time. `stream_wait`: how long it
    holds back a batch that is not full.
    """

    online: str = ""
    follow_every: str = "500ms"
    retry: str = "1m"
    memory_mb: int = 2_048
    streams: dict[str, str] = {}
    stream_batch: int = 100
    stream_wait: str = "200ms"
