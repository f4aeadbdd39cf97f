"""Metrics as Prometheus text. https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Labels = Iterable[tuple[str, str]]


def family(
    name: str,
    kind: Literal["counter", "gauge"],
    description: str,
    samples: Iterable[tuple[Labels, float]],
) -> Iterator[str]:
    """The lines of one metric: what it is, then a sample for each set of labels.

    >>> print(*family("ml_drift_score", "gauge", "Drift.", [([("model", "price")], 0.25)]), sep="\\n")
    # HELP ml_drift_score Drift.
    # TYPE ml_drift_score gauge
    ml_drift_score{model="price"} 0.25
    """
    yield from heading(name, kind, description)
    for labels, value in samples:
        yield sample(name, labels, value)


def heading(name: str, kind: str, description: str) -> tuple[str, str]:
    """The two lines before the samples of a metric."""
    told = description.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {name} {told}", f"# TYPE {name} {kind}"


def sample(name: str, labels: Labels, value: float) -> str:
    """One line.

    >>> sample("up", [], float("nan"))
    'up NaN'
    """
    text = ",".join(f'{key}="{_escaped(of)}"' for key, of in labels)
    return f"{name}{{{text}}} {_number(value)}" if text else f"{name} {_number(value)}"


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), -float("inf")):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def joined(texts: Iterable[str], told: Iterable[str] = ()) -> list[str]:
    """The lines of several texts, each metric once: a scraper refuses the whole text when one comes twice.

    `told`: lines that are there already. The first text that has a metric tells all of it.

    >>> joined(["# TYPE a gauge\\na 1\\n", "# TYPE a gauge\\na 2\\n# TYPE b gauge\\nb 3"])
    ['# TYPE a gauge', 'a 1', '# TYPE b gauge', 'b 3']
    """
    known = {_named(line) for line in told}
    lines: list[str] = []
    for text in texts:
        own = [line for line in text.split("\n") if _named(line)]
        names = {_named(line) for line in own} - known
        taken = False
        for line in own:
            taken = _named(line) in names if line.startswith("# ") else taken
            if taken:
                lines.append(line)
        known |= names
    return lines


def _named(line: str) -> str:
    """The metric that a heading or a sample names; empty for an empty line. A sample belongs to the heading above."""
    words = line.split(maxsplit=3)
    return words[2] if line.startswith("# ") and len(words) > 2 else line.split("{")[0].split(" ")[0]
