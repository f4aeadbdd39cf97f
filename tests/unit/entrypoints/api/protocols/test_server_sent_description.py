from __future__ import annotations

from tropism.entrypoints.api.protocols.server_sent import is_events
from tropism.entrypoints.api.protocols.server_sent_description import stream_paths
from tropism.entrypoints.api.protocols.websocket import is_stream


def test_what_is_described_is_served() -> None:
    for path in stream_paths():
        real = path.replace("{task}", "price")
        assert is_stream(real) != is_events(real)
