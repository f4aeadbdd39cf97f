"""The benchmarks' own functions, so that what they print is what is tested."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

BENCH = Path(__file__).parents[2] / "bench"


def bench(name: str) -> ModuleType:
    """A module of `bench/`, by the name that its scripts import it by."""
    if str(BENCH) not in sys.path:
        sys.path.append(str(BENCH))
    return importlib.import_module(name)
