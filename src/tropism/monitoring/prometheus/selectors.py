"""The smallest parts of PromQL: texts in quotes, durations, and series of one task."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Source(NamedTuple):
    """Whose figures are asked for: a task's, of a period such as `1h`, in series that have these labels besides."""

    model: str
    period: str
    matchers: Mapping[str, str]


def selector(metric: str, source: Source, *labels: tuple[str, str], pattern: str = "") -> str:
    """The series of a task. `pattern`: a further matcher, as it is.

    >>> selector("ml_model_loss", Source("price", "1h", {"job": "shop"}))
    'ml_model_loss{model="price",job="shop"}'
    """
    equal = [("model", source.model), *labels, *source.matchers.items()]
    return _series(metric, equal, pattern)


def common(metric: str, source: Source) -> str:
    """The series of a metric that is of no task."""
    return _series(metric, source.matchers.items())


def labelled(expression: str, source: Source) -> str:
    """A vector without labels as one of the task."""
    return f'label_replace({expression}, "model", {quoted(source.model)}, "", "")'


def quoted(text: str) -> str:
    r"""A string that PromQL and YAML read alike: in double quotes, and escaped where it cannot be seen.

    >>> print(quoted('größe "a"\u2028\\'))
    "größe \"a\"\u2028\\"
    """
    return '"' + "".join(_ESCAPES.get(sign) or (sign if sign.isprintable() else _escape(sign)) for sign in text) + '"'


def span(microseconds: int) -> str:
    """A duration as Prometheus reads it: whole milliseconds, rounded up.

    >>> span(90_000_000), span(1_500), span(0)
    ('90s', '2ms', '0s')
    """
    return format_duration(-(-microseconds // 1_000) * 1_000) if microseconds > 0 else "0s"


def _series(metric: str, equal: Iterable[tuple[str, str]], pattern: str = "") -> str:
    parts = [f"{name}={quoted(value)}" for name, value in equal]
    return f"{metric}{{{','.join([*parts, pattern] if pattern else parts)}}}"


def _escape(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"
