"""river's detectors behind our interface. river is imported when the first one is made."""

from __future__ import annotations

import inspect
from math import isfinite
from typing import Any, ClassVar

from tropism.core.errors import Fault, InvalidInput, SettingInvalid
from tropism.core.faults import one_of, shown
from tropism.core.plugins import require

Parameter = float | int | str | bool


class RiverDetector:
    """What they share. A kind states where river has it, and which losses it can read.

    Raises:
        SettingInvalid: no such parameter, or river refuses its value.
        MissingExtra: river is not installed.
    """

    _module: ClassVar[str] = "river.drift"
    _class: ClassVar[str]
    _losses: ClassVar[str] = "any"
    _own: ClassVar[dict[str, Parameter]] = {}

    def __init__(self, **parameters: Parameter) -> None:
        made = getattr(require(self._module, "river"), self._class)
        _check_names(self._class, made, parameters)
        try:
            self._detector: Any = made(**{**self._own, **parameters})
        except (TypeError, ValueError) as error:
            values = ", ".join(f"{name}={value}" for name, value in parameters.items())
            raise SettingInvalid(
                f"{self._class} cannot be made of these parameters", Fault("parameters", values, str(error))
            ) from error

    def update(self, loss: float) -> bool:
        """Whether this loss raises an alarm. One that is not finite is left out, and never does.

        Raises:
            InvalidInput: this detector reads errors (0 or 1), or losses from 0 to 1, and it is neither.
        """
        if not isfinite(loss):
            return False
        if self._losses == "errors" and loss not in (0.0, 1.0):
            raise InvalidInput(
                f"{self._class} reads errors only", Fault("loss", shown(loss), "send 0 or 1, or use adwin")
            )
        if self._losses == "bounded" and not 0 <= loss <= 1:
            raise InvalidInput(
                f"{self._class} reads losses from 0 to 1", Fault("loss", shown(loss), "scale it, or use adwin")
            )
        self._detector.update(loss)
        return bool(self._detector.drift_detected)


def _check_names(kind: str, made: Any, parameters: dict[str, Parameter]) -> None:
    known = [name for name in inspect.signature(made).parameters if name != "window"]
    faults = [
        Fault(f"parameters.{name}", shown(value), one_of(name, known, "parameters", "leave it out"))
        for name, value in parameters.items()
        if name not in known
    ]
    if faults:
        raise SettingInvalid(f"{kind} has no such parameter", *faults)


class ADWIN(RiverDetector):
    """Compares the means of an older and a newer part of a window whose length adapts; any change of the mean.

    Source: Bifet and Gavaldà, "Learning from Time-Changing Data with Adaptive Windowing", SDM 2007.
    """

    _class = "ADWIN"


class PageHinkley(RiverDetector):
    """Cumulative deviation from the running mean, either way; `mode="up"` looks for worse losses alone.

    `threshold` is in the loss's own units: scale it with the loss.
    Source: Page, "Continuous Inspection Schemes", Biometrika 41 (1954).
    """

    _class = "PageHinkley"


class KSWIN(RiverDetector):
    """Kolmogorov-Smirnov test of the newest losses against a sample of those before, at every loss.

    The sample is drawn from seed 0 unless `seed` says otherwise, so that reading again gives the same. About 0.3 ms
    a loss. Source: Raab, Heusinger and Schleif, "Reactive Soft Prototype Computing for Concept Drift Streams",
    Neurocomputing 416 (2020).
    """

    _class = "KSWIN"
    _own = {"seed": 0}  # noqa: RUF012


class DDM(RiverDetector):
    """Error rate against the lowest so far, in its standard deviations. Reads 0 and 1.

    Source: Gama, Medas, Castillo and Rodrigues, "Learning with Drift Detection", SBIA 2004.
    """

    _module, _class, _losses = "river.drift.binary", "DDM", "errors"


class EDDM(RiverDetector):
    """Distance between two errors against the longest so far. Reads 0 and 1.

    Source: Baena-García et al., "Early Drift Detection Method", Fourth International Workshop on Knowledge Discovery
    from Data Streams, 2006.
    """

    _module, _class, _losses = "river.drift.binary", "EDDM", "errors"


class HDDMA(RiverDetector):
    """Running means compared by Hoeffding's bound. Reads losses from 0 to 1.

    Source: Frías-Blanco et al., "Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds",
    IEEE Transactions on Knowledge and Data Engineering 27 (2015), the A-test.
    """

    _module, _class, _losses = "river.drift.binary", "HDDMA", "bounded"


class HDDMW(RiverDetector):
    """Exponentially weighted means compared by McDiarmid's bound. Reads losses from 0 to 1.

    Source: Frías-Blanco et al., "Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds",
    IEEE Transactions on Knowledge and Data Engineering 27 (2015), the W-test.
    """

    _module, _class, _losses = "river.drift.binary", "HDDMW", "bounded"
