"""Settings of the tables."""

from __future__ import annotations

from typing import Literal

import msgspec


class TablesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url`: `sqlite:///file` or `postgresql://user@host/database`; a file of the state folder when empty.

    `durability` (SQLite): what a committed change survives. `os`: the death of any process. `power`: the loss
    of power too, at one disk flush a commit. PostgreSQL follows its own `synchronous_commit`.
    `wait`: how long a change waits for another one to end before it gives up.
    `connections`: kept open by a process; as many again are opened when all of them are busy.
    """

    url: str = ""
    durability: Literal["os", "power"] = "os"
    wait: str = "30s"
    connections: int = 5
