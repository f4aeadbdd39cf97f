"""Alembic migrations of the tables, one file a revision, run by `revision.py`."""
