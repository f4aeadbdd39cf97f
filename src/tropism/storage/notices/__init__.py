"""Notices: one process tells all the others that what is served may have changed."""

from __future__ import annotations

from tropism.storage.notices.base import Notices
from tropism.storage.notices.opening import open_notices

__all__ = ["Notices", "open_notices"]
