"""Where the tests find Redis."""

from __future__ import annotations

import os

import pytest
import redis


def redis_url() -> str:
    """Of a server that answers: TROPISM_TEST_REDIS, or the one on this machine. Skips the test where there is none."""
    url = os.environ.get("TROPISM_TEST_REDIS", "")
    address = url or "redis://127.0.0.1:6379/0"
    client = redis.Redis.from_url(address, socket_timeout=2, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.exceptions.RedisError:
        if url:
            raise
        pytest.skip("no Redis answers at 127.0.0.1:6379; set TROPISM_TEST_REDIS to test against another")
    finally:
        client.close()
    return address
