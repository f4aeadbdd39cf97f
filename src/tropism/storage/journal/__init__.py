"""Events on their way to the lake, durable before they are acknowledged: append-only segment files."""

from __future__ import annotations

from tropism.storage.journal.reader import JournalReader
from tropism.storage.journal.records import Finding, Record
from tropism.storage.journal.settings import JournalSettings
from tropism.storage.journal.writer import JournalWriter

__all__ = ["Finding", "JournalReader", "JournalSettings", "JournalWriter", "Record"]
