from __future__ import annotations

import re
import xml.dom.minidom
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tropism.config import load_settings
from tropism.core.errors import InvalidInput, NotFound
from tropism.entrypoints.tracking import start_run
from tropism.entrypoints.tracking.comparing import compare_runs
from tropism.entrypoints.tracking.finding import curves, find_run, list_runs
from tropism.entrypoints.tracking.page import as_page, as_svg
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tropism.wiring import Platform


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = open_platform(load_settings(tmp_path, environment={}))
    yield made
    made.database.dispose()


def log(folder: Path, name: str, loss: float, *, rows: str = "same", trees: int = 1, noise: float = 0.1) -> str:
    rng = np.random.default_rng(trees)
    losses = loss + noise * rng.normal(size=200)
    with start_run("fraud", name, project=folder) as run:
        run.log_params({"trees": trees, "kind": "<b>"})
        run.log_metrics({"loss": float(losses.mean())})
        for step in range(3):
            run.log_metrics({"val_loss": loss + 1 / (step + 1)}, step=step)
        run.log_losses("brier", losses, rows=rows)
    return run.id


def test_a_better_run_on_the_same_rows_is_recommended_with_its_evidence(tmp_path: Path, platform: Platform) -> None:
    good, bad = log(tmp_path, "good", 0.2), log(tmp_path, "bad", 0.3, trees=2)
    found = compare_runs(platform.tracking, ["good", "bad"], 1)
    assert (found.recommendation.run, found.recommendation.shown) == (good, True)
    (test,) = found.tests
    assert (test.a, test.b, test.rows, test.decided) == (good, bad, 200, True)
    assert test.low < -0.1 < test.high
    assert found.params == {"trees": ("1", "2")}
    assert [one.p for one in found.correlations] == [None] * len(found.correlations)


def test_a_difference_that_may_be_chance_is_said_to_be_one(tmp_path: Path, platform: Platform) -> None:
    log(tmp_path, "a", 0.2, noise=1.0), log(tmp_path, "b", 0.2, trees=2, noise=1.0)
    advice = compare_runs(platform.tracking, ["a", "b"], 1).recommendation
    assert not advice.shown and "may be chance" in advice.not_known[0]


def test_runs_judged_on_other_rows_are_not_tested(tmp_path: Path, platform: Platform) -> None:
    log(tmp_path, "a", 0.2), log(tmp_path, "b", 0.4, rows="other", trees=2)
    found = compare_runs(platform.tracking, ["a", "b"], 1)
    assert found.tests == () and "other rows" in found.not_tested[0]
    assert not found.recommendation.shown


def test_pages_and_drawings_load_nothing_and_escape_what_runs_say(tmp_path: Path, platform: Platform) -> None:
    for number in range(9):
        log(tmp_path, f"<script>{number}", 0.2 + number / 50, trees=number + 1)
    ids = [run.id for run in list_runs(platform.tracking, 1)]
    found = compare_runs(platform.tracking, ids, 1)
    assert found.correlations[0].adjusted is not None and found.correlations[0].adjusted < 0.05
    page, drawing = as_page(found), as_svg(found)
    xml.dom.minidom.parseString(drawing)
    assert "<script" not in page and "Spearman correlation over 9 runs" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_control_characters_and_the_largest_numbers_leave_a_drawing_that_can_be_read(
    tmp_path: Path, platform: Platform
) -> None:
    for number, value in enumerate((1e308, -1e308, float("inf"), float("nan"), 2.0)):
        with start_run("odd", f"r{number}\x0b\x1b", project=tmp_path) as run:
            run.log_params({"p": ("1e308", "-1e308")[number % 2]})
            for step in range(3):
                run.log_metrics({"loss": value / (step + 1)}, step=step)
    found = compare_runs(platform.tracking, [run.id for run in list_runs(platform.tracking, 1)], 1)
    drawing = as_svg(found)
    xml.dom.minidom.parseString(drawing)
    assert not re.search('="-?(nan|inf)', drawing)


def test_what_cannot_be_compared_is_refused_with_the_fix(tmp_path: Path, platform: Platform) -> None:
    log(tmp_path, "a", 0.2), log(tmp_path, "b", 0.3)
    with pytest.raises(InvalidInput, match="2 to 100"):
        compare_runs(platform.tracking, ["a", "a"], 1)
    with pytest.raises(InvalidInput, match="did you mean 'loss'"):
        compare_runs(platform.tracking, ["a", "b"], 1, metrics=["los"])
    with pytest.raises(NotFound, match="tropism runs list"):
        find_run(platform.tracking, "c", 1)
    with pytest.raises(NotFound, match="fraud"):
        list_runs(platform.tracking, 1, experiment="fruad")


def test_a_metric_of_unknown_direction_is_not_guessed(tmp_path: Path, platform: Platform) -> None:
    for number in range(2):
        with start_run("other", f"r{number}", project=tmp_path) as run:
            run.log_metrics({"score": float(number)})
    assert compare_runs(platform.tracking, ["r0", "r1"], 1).recommendation.run is None
    found = compare_runs(platform.tracking, ["r0", "r1"], 1, better="more")
    assert found.recommendation.run == found.runs[1].id and not found.recommendation.shown


def test_a_run_is_found_by_name_with_few_queries_however_much_was_logged(tmp_path: Path, platform: Platform) -> None:
    for number in range(30):
        log(tmp_path, f"r{number}", 0.2)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        found = find_run(platform.tracking, "r7", 1)
        first = len([one for one in asked if one.lstrip().startswith("SELECT")])
        values = curves(platform.tracking, found.id)
        second = len([one for one in asked if one.lstrip().startswith("SELECT")]) - first
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert found.name == "r7" and found.files
    assert [one.metric for one in values] == ["val_loss"] and len(values[0].points) == 3
    assert first <= 16 and second <= 2
    assert curves(platform.tracking, found.id, ["loss"]) == []


def test_a_name_that_several_runs_have_is_refused_with_their_ids(tmp_path: Path, platform: Platform) -> None:
    ids = [log(tmp_path, "same", 0.2) for _ in range(2)]
    with pytest.raises(InvalidInput, match="several runs") as refused:
        find_run(platform.tracking, "same", 1)
    assert all(one[:8] in refused.value.faults[0].fix for one in ids)
    assert find_run(platform.tracking, ids[0][:20], 1).id == ids[0]
