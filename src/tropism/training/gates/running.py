"""Runs the gates of a level. One that fails, breaks or has nothing to look at does not keep the others from running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core import plugins
from tropism.core.errors import TropismError
from tropism.core.governance import (
    GROUP,
    ApprovalGate,
    ChampionGate,
    DataGate,
    DriftGate,
    FairnessGate,
    Gate,
    GateResult,
    IntegrationGate,
    LatencyGate,
    LoadGate,
    MetricGate,
    OwnGate,
    RobustnessGate,
    SecurityGate,
    SignatureGate,
    TimeGate,
    gate_name,
)
from tropism.training.gates import artifacts, facts, quality, speed
from tropism.training.gates.fairness import fairness
from tropism.training.gates.robustness import robustness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tropism.training.gates.context import GateContext


def own(gate: OwnGate, context: GateContext) -> GateResult:
    """A gate that a package brought: `function(context, **parameters)` gives a `GateResult`."""
    found = plugins.load(GROUP, gate.name)(context, **gate.parameters)
    if isinstance(found, GateResult):
        return found
    message = f"the gate '{gate.name}' gave a {type(found).__name__}; it must give a GateResult"
    return GateResult(name=gate.name, passed=False, message=message, assessed=False)


_FUNCTIONS: dict[type[Gate], Callable[[Any, GateContext], GateResult]] = {
    MetricGate: quality.metric,
    ChampionGate: quality.champion,
    LatencyGate: speed.latency,
    LoadGate: speed.load,
    IntegrationGate: artifacts.integration,
    SecurityGate: artifacts.security,
    SignatureGate: artifacts.signature,
    RobustnessGate: robustness,
    FairnessGate: fairness,
    DataGate: facts.data,
    DriftGate: facts.drift,
    ApprovalGate: facts.approval,
    TimeGate: facts.time_on_level,
    OwnGate: own,
}


def run_gates(
    gates: Iterable[Gate], context: GateContext, progress: Callable[[str], None] = lambda _: None
) -> tuple[GateResult, ...]:
    """A result for each gate, in their order. `progress` is told each gate's name before it runs."""
    found = []
    for gate in gates:
        progress(gate_name(gate))
        found.append(_run(gate, context))
    return tuple(found)


def _run(gate: Gate, context: GateContext) -> GateResult:
    name = gate_name(gate)
    try:
        return _FUNCTIONS[type(gate)](gate, context)
    except TropismError as error:
        message = "; ".join([error.message, *(fault.fix for fault in error.faults)])
    except Exception as error:  # noqa: BLE001 - a gate of somebody else may raise anything; it has not passed then
        message = f"the gate broke off with {type(error).__name__}: {error}"
    return GateResult(name=name, passed=False, message=message, assessed=False)
