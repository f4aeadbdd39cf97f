"""Settings of the notices."""

from __future__ import annotations

import msgspec


class NoticesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url`: `redis://host:6379/0`, or `postgresql://...` when `tables.url` names a pooler that cannot listen.
    When empty, the tables' own server if it is PostgreSQL, and otherwise none: data planes then only poll.
    """

    url: str = ""
