"""A database of a Redis server that nobody uses."""

from __future__ import annotations

from redis import Redis, RedisError


class RedisDatabase:
    """The last database of a server that is empty; `clear` empties it again. `number` is None where there is none."""

    def __init__(self, address: str) -> None:
        self.host, _, port = address.partition(":")
        self.port = int(port or 6379)
        self.number: int | None = None
        self.missing = ""
        try:
            self.number = next((number for number in range(15, 0, -1) if not self._client(number).dbsize()), None)
            self.missing = "" if self.number is not None else "none of its databases 1 to 15 is empty"
        except RedisError as error:
            self.missing = str(error)

    def store(self, contestant: str) -> dict[str, str]:
        """Where it is, as the worker of a contestant is told."""
        if contestant == "feast":
            return {"type": "redis", "connection_string": f"{self.host}:{self.port},db={self.number}"}
        return {"type": "redis", "url": f"redis://{self.host}:{self.port}/{self.number}"}

    def clear(self) -> None:
        if self.number is not None:
            self._client(self.number).flushdb()

    def _client(self, number: int) -> Redis:
        return Redis(host=self.host, port=self.port, db=number)
