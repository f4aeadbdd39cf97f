"""Tables: what has identity and state. SQLite in one file, or PostgreSQL, through the same statements."""

from tropism.storage.tables.database import Database
from tropism.storage.tables.settings import TablesSettings

__all__ = ["Database", "TablesSettings"]
