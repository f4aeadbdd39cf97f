"""Finds the online store that a URL asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core import plugins
from tropism.core.errors import Fault, SettingInvalid

if TYPE_CHECKING:
    from tropism.features.online.store import OnlineStore

GROUP = "tropism.online"
_SAME = {"rediss": "redis", "unix": "redis"}


def open_online(url: str) -> OnlineStore:
    """The store of a URL, by its scheme.

    Raises:
        SettingInvalid: there is none for such a URL.
        MissingExtra: the package for it is not installed.
        NotWritable: it cannot be opened.

    >>> type(open_online("sqlite:///:memory:")).__name__
    'SQLiteOnlineStore'
    """
    scheme = url.partition("://")[0]
    name = _SAME.get(scheme, scheme)
    known = plugins.names(GROUP)
    if name not in known or "://" not in url:
        fix = f"use a URL that begins with one of: {', '.join(f'{one}://' for one in known)}"
        raise SettingInvalid(f"features cannot be kept in '{scheme[:40]}'", Fault("features.online", scheme[:80], fix))
    made: OnlineStore = plugins.load(GROUP, name)(url)
    return made
