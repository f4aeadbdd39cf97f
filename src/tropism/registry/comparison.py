"""What differs between two versions of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Difference(msgspec.Struct, frozen=True):
    """One value that is not the same. `field` has dots for what is nested; None where a side has no such value."""

    field: str
    a: Any
    b: Any


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions, `a` and `b`, and what differs in each of their parts."""

    model: str
    a: int
    b: int
    metrics: tuple[Difference, ...]
    data: tuple[Difference, ...]
    parameters: tuple[Difference, ...]
    signature: tuple[Difference, ...]
    environment: tuple[Difference, ...]


def compare(model: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Comparison:
    """Compares two versions given as plain values. The learner and its window count as parameters.

    >>> base = {"version": 1, "learner": "linear", "window": "all", "data": {}, "environment": {}}
    >>> base |= {"parameters": {}, "metrics": {"auc": {"value": 0.7}}, "signature": {}}
    >>> other = base | {"version": 2, "metrics": {"auc": {"value": 0.8}}}
    >>> compare("price", base, other).metrics
    (Difference(field='auc.value', a=0.7, b=0.8),)
    """
    return Comparison(
        model=model,
        a=a["version"],
        b=b["version"],
        metrics=differences(a["metrics"], b["metrics"]),
        data=differences(a["data"], b["data"]),
        parameters=differences(_parameters(a), _parameters(b)),
        signature=differences(a["signature"], b["signature"]),
        environment=differences(a["environment"], b["environment"]),
    )


def differences(a: Any, b: Any) -> tuple[Difference, ...]:
    """Values that differ, sorted by field. A list of things with a `name` is compared by name, not by place."""
    left, right = dict(_flat("", a)), dict(_flat("", b))
    fields = sorted(left.keys() | right.keys())
    found = (Difference(field, left.get(field), right.get(field)) for field in fields)
    return tuple(one for one in found if one.a != one.b)


def _parameters(version: Mapping[str, Any]) -> dict[str, Any]:
    return {"learner": version["learner"], "window": version["window"], **version["parameters"]}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        value = {item["name"]: {key: part for key, part in item.items() if key != "name"} for item in value}
    if not isinstance(value, dict) or not value:
        if prefix:
            yield prefix, value
        return
    for key, part in value.items():
        yield from _flat(f"{prefix}.{key}" if prefix else str(key), part)
