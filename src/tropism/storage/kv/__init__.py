"""Bytes by key, for values that are looked up often and may expire."""

from __future__ import annotations

from tropism.storage.kv.base import KV

__all__ = ["KV"]
