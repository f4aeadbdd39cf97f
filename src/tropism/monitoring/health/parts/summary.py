"""What to do, and the score with its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.monitoring.health import charts
from tropism.monitoring.health.markup import Html, listing, safe, section, table
from tropism.monitoring.health.recommendation import ACTIONS
from tropism.monitoring.health.score import DEFINITIONS, PART_NAMES, WEIGHTS
from tropism.monitoring.health.wording import UNKNOWN, share

if TYPE_CHECKING:
    from tropism.monitoring.health.report import HealthReport
    from tropism.monitoring.health.score import Score, ScorePart


def recommendation(report: HealthReport) -> Html:
    found = report.recommendation
    evidence = listing(found.evidence, "evidence") if found.evidence else ""
    return Html(
        f'<div class="verdict {found.action}"><p class="action">{safe(ACTIONS[found.action])}</p>'
        f"<p>{safe(found.reason)}</p>{evidence}</div>"
    )


def score(report: HealthReport) -> Html:
    """The score and its parts."""
    found = report.score
    rows = [_row(part) for part in found.parts]
    parts = table(["part", "weight", "share", "", "rests on"], rows, caption="Parts of the score", numeric=(1, 2))
    return section("Score", _headline(found), parts)


def definition() -> Html:
    """How the score is made."""
    note = (
        "Each part is a share from nothing to all of its weight, and the score is their weighted mean. A part that is "
        "not known takes no weight. The score sums up; the recommendation goes by rules of its own."
    )
    made = listing([f"{PART_NAMES[name]} ({weight:g}): {DEFINITIONS[name]}" for name, weight in WEIGHTS.items()])
    return section("How the score is made", made, note=note)


def score_text(found: Score) -> str:
    """The score as words.

    >>> from tropism.monitoring.health.score import Score
    >>> score_text(Score(value=81.6, known=1.0, parts=())), score_text(Score(value=60.0, known=0.55, parts=()))
    ('82 of 100', '60 of 100, of the 55% that is known')
    """
    if found.value is None:
        return UNKNOWN
    of = "" if found.known >= 1 else f", of the {share(found.known)} that is known"
    return f"{found.value:.0f} of 100{of}"


def _headline(found: Score) -> Html:
    words = score_text(found)
    number, _, rest = words.partition(" of 100")
    rest = f" of 100{rest}" if rest or found.value is not None else ""
    return Html(f'<p class="score"><b>{safe(number)}</b>{safe(rest)}</p>')


def _row(part: ScorePart) -> list[str]:
    said = f"{PART_NAMES[part.name]}: {share(part.share)}"
    bar = charts.gauge(f"gauge-{part.name}", part.share, said, said)
    return [PART_NAMES[part.name], f"{part.weight:g}", share(part.share), Html(bar), part.evidence]
