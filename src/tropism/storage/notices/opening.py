"""Finds the member that a URL asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core import plugins
from tropism.core.errors import Fault, SettingInvalid

if TYPE_CHECKING:
    from tropism.storage.notices.base import Notices

GROUP = "tropism.notices"


def open_notices(url: str) -> Notices:
    """Notices over a server, by the scheme of its URL; no connection is opened yet.

    Raises:
        SettingInvalid: there is none for such a URL.
        MissingExtra: the package for it is not installed.

    >>> type(open_notices("postgresql://me@db/tables")).__name__
    'PostgresNotices'
    """
    scheme = url.partition("://")[0].partition("+")[0]
    scheme = "postgresql" if scheme == "postgres" else scheme  # as tables take it too
    known = plugins.names(GROUP)
    if scheme not in known:
        fix = f"use a URL that begins with one of: {', '.join(known)}"
        raise SettingInvalid(f"notices cannot be sent over '{scheme}'", Fault("notices.url", scheme, fix))
    made: Notices = plugins.load(GROUP, scheme)(url)
    return made
