"""The command line. Command modules import nothing heavy: what a command needs is imported when it runs."""

from tropism.entrypoints.cli.main import main

__all__ = ["main"]
