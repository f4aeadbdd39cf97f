"""Artifacts, stored under the SHA-256 of their content."""

from __future__ import annotations

from tropism.storage.blobs.incoming import Incoming
from tropism.storage.blobs.store import Blobs

__all__ = ["Blobs", "Incoming"]
