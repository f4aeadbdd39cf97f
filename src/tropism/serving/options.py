"""What a request to predict asks for beside the prediction, in the query of its address."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl

from tropism.core.errors import InvalidInput
from tropism.core.faults import Faults, close_to, shown

KNOWN = ("version", "explain")
LARGEST_VERSION = (1 << 31) - 1
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MOST = 2_048


class PredictOptions(NamedTuple):
    """`version`: the one that must answer, whether it is live or not. `explain`: with each feature's contribution."""

    version: int | None = None
    explain: bool = False


PLAIN = PredictOptions()


def predict_options(query: bytes) -> PredictOptions:
    """The options in a query string.

    Raises:
        InvalidInput: a parameter is unknown, repeated or has a value that it cannot have; names those there are.

    >>> predict_options(b"version=3&explain=true")
    PredictOptions(version=3, explain=True)
    """
    if not query:
        return PLAIN
    faults = Faults()
    found: dict[str, str] = {}
    for name, value in parse_qsl(query[:_MOST].decode("latin-1"), keep_blank_values=True):
        if name not in KNOWN:
            close = close_to(name, KNOWN)
            fix = f"did you mean '{close}'?" if close else f"use: {', '.join(KNOWN)}"
            faults.add(InvalidInput, f"there is no parameter {shown(name)}", name[:100], shown(value), fix)
        elif name in found:
            faults.add(InvalidInput, f"'{name}' is repeated", name, shown(value), "send it once")
        found[name] = value
    if len(query) > _MOST:
        faults.add(InvalidInput, "the query is too long", "query", f"{len(query)} bytes", f"use: {', '.join(KNOWN)}")
    options = PredictOptions(_version(found, faults), _explain(found, faults))
    faults.check()
    return options


def version_number(text: str) -> int | None:
    """The number of a version; None if the text is none.

    >>> version_number("12"), version_number("latest")
    (12, None)
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if 0 < number <= LARGEST_VERSION else None


def _version(found: dict[str, str], faults: Faults) -> int | None:
    if "version" not in found:
        return None
    number = version_number(found["version"])
    if number is None:
        fix = "send its number, such as 3, or leave it out for the one that is live"
        faults.add(InvalidInput, "'version' is not the number of a version", "version", shown(found["version"]), fix)
    return number


def _explain(found: dict[str, str], faults: Faults) -> bool:
    flag = _FLAGS.get(found.get("explain", "false").lower())
    if flag is None:
        shown_value = shown(found["explain"])
        faults.add(InvalidInput, "'explain' is not true or false", "explain", shown_value, "send true or false")
    return bool(flag)
