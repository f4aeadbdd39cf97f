"""An online store in Redis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput
from tropism.features.online.store import OnlineStore
from tropism.storage.kv.redis_client import RedisClient

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 1_000
# Bytes 2 to 17 are `layout.STAMP`. They are compared as numbers of 32 bits, which Lua holds exactly: its comparison of
# strings follows the locale of the server.
_WRITE = """
local keep, taken = tonumber(ARGV[1]), 0
for i, key in ipairs(KEYS) do
    local row = ARGV[i + 1]
    local old = redis.call('GETRANGE', key, 1, 16)
    local newer = true
    if #old == 16 then
        local a, b, c, d = struct.unpack('>I4I4I4I4', old)
        local e, f, g, h = struct.unpack('>I4I4I4I4', string.sub(row, 2, 17))
        if a ~= e then newer = a < e elseif b ~= f then newer = b < f
        elseif c ~= g then newer = c < g else newer = d <= h end
    end
    if newer then
        if keep > 0 then redis.call('SET', key, row, 'PX', keep) else redis.call('SET', key, row) end
        taken = taken + 1
    end
end
return taken
"""


class RedisOnlineStore(OnlineStore):
    """Shared by any number of processes and machines. As durable as the server is set up to be; what the server lost
    reads as missing. A thousand rows at a time are written whole or not at all, unless the server runs out of room.

    Rows with a time to keep are dropped by the server when it is over, by its clock.
    """

    remote = True

    def __init__(self, url: str, prefix: str = "tropism:online:") -> None:
        """`url`: `redis://host:port/db`, also `rediss://` and `unix://`. `prefix` stands before every key.

        Raises:
            SettingInvalid: it is no URL of a Redis server.
            MissingExtra: the package `redis` is not installed.
        """
        self._prefix = prefix
        self._client = RedisClient(url, "features.online")
        self._script = self._client.raw.register_script(_WRITE)

    def write(self, view: str, keys: Sequence[str], rows: Sequence[bytes], keep: int | None = None) -> int:
        milliseconds = 0 if keep is None else max(1, -(-keep // 1_000))
        places = self._places(view, keys)
        taken = 0
        with self._client.translated():
            for start in range(0, len(places), _CHUNK):
                some = slice(start, start + _CHUNK)
                taken += self._script(keys=places[some], args=[milliseconds, *rows[some]])
        return taken

    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[list[bytes | None]]:
        places = [place for view, keys in wanted for place in self._places(view, keys)]
        if not places:
            return [[] for _ in wanted]
        with self._client.translated():
            found = self._client.raw.mget(places)
        ends = 0
        rows: list[list[bytes | None]] = []
        for _, keys in wanted:
            rows.append(found[ends : ends + len(keys)])
            ends += len(keys)
        return rows

    def delete_view(self, view: str) -> None:
        self._delete(self._place(view))

    def clear(self) -> None:
        self._delete(self._prefix)

    def close(self) -> None:
        self._client.raw.close()

    def _place(self, view: str) -> str:
        # The length keeps the keys of a view apart from those of a view whose name goes on after it.
        return f"{self._prefix}{len(view)}:{view}:"

    def _places(self, view: str, keys: Sequence[str]) -> list[bytes]:
        try:
            place = self._place(view).encode()
            return [place + key.encode() for key in keys]
        except UnicodeEncodeError as error:
            fault = Fault("keys", repr(error.object)[:80], "send text that UTF-8 can hold")
            raise InvalidInput("a key is not text", fault) from error

    def _delete(self, prefix: str) -> None:
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + "*"
        with self._client.translated():
            cursor = None
            while cursor != 0:
                cursor, found = self._client.raw.scan(cursor or 0, match=pattern, count=_CHUNK)
                if found:
                    self._client.raw.unlink(*found)
