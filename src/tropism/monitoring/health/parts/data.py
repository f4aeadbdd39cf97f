"""Data quality and feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.monitoring.health.markup import Html, absent, listing, section, table
from tropism.monitoring.health.wording import count, seconds, share

if TYPE_CHECKING:
    from tropism.monitoring.health.facts import HealthFacts
    from tropism.monitoring.quality import Arrivals, FeatureQuality

_SHOWN = 20


def quality(facts: HealthFacts) -> Html:
    found = facts.quality
    if found is None:
        return section("Data quality", absent("Data quality", facts.why("quality")))
    wrong = [one for one in found.features if one.share > 0 or one.problem or one.change or one.score == 0]
    note = f"Score {share(found.score)} of what is usual. {len(found.features) - len(wrong)} of {len(found.features)} "
    note += "features have nothing wrong."
    parts = [listing(_arrivals(found.arrivals))]
    if wrong:
        head = ["feature", "score", "missing", "unseen", "out of range", "not finite", "remark"]
        caption = "Features with something wrong"
        caption += f", the {_SHOWN} worst of {len(wrong)}" if len(wrong) > _SHOWN else ""
        parts.append(table(head, map(_row, wrong[:_SHOWN]), caption=caption, numeric=range(1, 6)))
    return section("Data quality", *parts, note=note)


def feedback(facts: HealthFacts) -> Html:
    told = facts.feedback
    if told is None:
        return section("Feedback", absent("Feedback", facts.why("feedback")))
    usual = "not known" if told.usual is None else share(told.usual)
    rows = [
        ["matured predictions", count(told.predictions)],
        ["answered", count(told.answered)],
        ["coverage", share(told.coverage)],
        ["coverage that is usual", usual],
        ["delay, median", seconds(told.delay)],
        ["delay, 90% point", seconds(told.delay_p90)],
        ["outcome window", seconds(facts.window / 1_000_000)],
    ]
    return section("Feedback", table(["", "in the period"], rows, caption="Feedback", numeric=(1,)))


def _row(one: FeatureQuality) -> list[str]:
    told = one.rows > 0 and not one.problem
    counts = [share(getattr(one, name) / one.rows) if told else "not known" for name in _COUNTS]
    changes = {"new": "new since the reference", "gone": "no longer there", "retyped": "of another type now"}
    remark = one.problem or changes.get(one.change, "") or ("a constant" if one.distinct == 1 and told else "")
    return [one.name, share(one.score), *counts, remark]


_COUNTS = ("missing", "unseen", "out_of_range", "non_finite")


def _arrivals(rows: Arrivals) -> list[str]:
    said = [f"{count(rows.rows)} rows; the last one was made {seconds(rows.freshness)} before the end"]
    said += [f"{count(rows.repeated)} came before under the same id"] if rows.repeated else []
    said += [f"{count(rows.future)} have a time in the future"] if rows.future else []
    if rows.backwards:
        said.append(f"{count(rows.backwards)} are older than the one before, by {seconds(rows.step_back)} at most")
    return said
