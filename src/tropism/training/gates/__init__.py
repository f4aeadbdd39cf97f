"""What a version must show before it moves to a level: each gate a function that measures, none of which decides."""

from __future__ import annotations

from tropism.training.gates.context import Drift, Evidence, GateContext, evidence_since
from tropism.training.gates.running import run_gates

__all__ = ["Drift", "Evidence", "GateContext", "evidence_since", "run_gates"]
