"""Comparisons and assignment: arithmetic on arrays, no I/O. Statistics stay valid however often they are looked at."""
