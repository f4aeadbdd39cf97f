from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import click
import msgspec
import pytest
from rich.console import Console
from tests.unit.entrypoints.cli.known_details import SERVED, known

from tropism.core.clock import SECOND
from tropism.core.errors import InvalidInput
from tropism.core.monitoring import Rule
from tropism.entrypoints.cli.monitor_glance import Glance, glance_lines
from tropism.entrypoints.cli.monitor_task import Details
from tropism.entrypoints.cli.show_monitor import keep_showing
from tropism.entrypoints.cli.show_monitor_task import task_lines
from tropism.monitoring.estimation import Estimate
from tropism.monitoring.figures import Figure
from tropism.wiring import Platform

Command = Callable[..., Any]
Register = Callable[..., int]
Live = Callable[..., list[str]]
DAY = 86_400 * SECOND


@pytest.fixture
def served(platform: Platform, register: Register, promote: Callable[..., str], live: Live) -> Platform:
    """A champion for ten days, with 300 matured predictions, most of them answered."""
    register()
    promote(1, platform.clock.now() - 10 * DAY)
    live(300, version=1, days_ago=8, answered=285)
    return platform


def fire(platform: Platform) -> None:
    rule = Rule("drift", "drift > 0.8", "high")
    platform.alerts.apply("payments", [rule], {"drift": 0.93}, platform.clock.now())


def test_no_champion_says_what_is_waited_for(shop: Command, platform: Platform) -> None:
    out = shop("monitor").out
    assert out.splitlines()[1].split() == ["payments", *"-----------"]
    assert "payments: there is no champion yet" in out
    out = shop("monitor", "payments").out
    assert out.startswith("payments (binary), no champion yet\n")
    assert "tropism train payments" in out
    assert "waits: there is no champion yet" in out
    assert "waits: no prediction has matured yet; one does 7d after it was made" in " ".join(out.split())


def test_no_task_says_how_to_store_one(shop: Command) -> None:
    assert "tropism up" in shop("monitor").out


def test_a_task_is_one_line(shop: Command, served: Platform) -> None:
    lines = shop("monitor").out.splitlines()
    cells = dict(zip(lines[0].split(), lines[1].split(), strict=True))
    assert cells["task"] == "payments"
    assert cells["now"].startswith("0.056±")
    assert (cells["labels"], cells["late"], cells["open"]) == ("95%", "1m", "-")
    assert "brier of what matured in the last 7d" in " ".join(lines)
    assert max(map(len, lines)) <= 80


def test_check_is_status_one_while_an_alert_is_open(shop: Command, served: Platform) -> None:
    assert shop("monitor", "--check").code == 0
    fire(served)
    said = shop("monitor", "--check")
    assert (said.code, said.err) == (1, "1 alert is open\n")
    assert said.out.splitlines()[1].endswith(" 1")
    assert shop("monitor", "payments", "--check").code == 1
    assert shop("monitor").code == 0


def test_a_task_in_detail(shop: Command, served: Platform) -> None:
    fire(served)
    said = shop("monitor", "payments", "--segments", "--since", "3d")
    assert said.code == 0
    words = " ".join(said.out.split())
    for part in (
        "payments (binary), version 1, champion since",
        "1 alert open tropism alerts --task payments",
        "drift is 0.93",
        "waits: nothing was looked at yet",
        "Performance: Brier score lower is better; matured in the last 3d",
        "of 300 predictions",
        "95% answered, half of them within 1m",
        "Worst segments",
    ):
        assert part in words
    assert max(map(len, said.out.splitlines())) <= 80


def test_a_time_to_look_back_to_is_a_date_too(shop: Command, served: Platform) -> None:
    assert "matured in the time since 2020-01-31" in shop("monitor", "payments", "--since", "2020-01-31").out


def test_all_of_it_as_json(shop: Command, served: Platform) -> None:
    (one,) = msgspec.json.decode(shop("monitor", "--json").out)
    assert (one["task"], one["metric"], one["rows"], one["alerts"]) == ("payments", "brier", 300, 0)
    found = msgspec.json.decode(shop("monitor", "payments", "--json", "--method", "reconstruction").out)
    assert set(found) == set(Details.__struct_fields__)
    assert found["performance"]["overall"]["rows"] == 300
    assert found["comparison"]["method"] == "reconstruction"
    assert found["segments"] is None


def test_features_are_compared_together_when_asked(shop: Command, served: Platform) -> None:
    said = shop("monitor", "payments", "--method", "reconstruction").out.partition("All features together")[2]
    assert said.startswith(": reconstruction\n")
    assert len(said.split()) > 3, "what was found, or what it takes to find something"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("paymnts",), 1, "did you mean 'payments'?"),
        (("--since", "later"), 1, "--since: got later; write a duration such as"),
        (("payments", "--since", "2999-01-01"), 1, "--since is in the future"),
        (("--watch",), 1, "--watch needs a terminal"),
        (("--segments",), 2, "tropism monitor TASK --segments"),
        (("payments", "--method", "magic"), 2, "adversarial"),
        (("--watch", "--json"), 2, "leave --json"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_errors_say_what_to_do(
    shop: Command, platform: Platform, arguments: tuple[str, ...], status: int, words: str
) -> None:
    said = shop("monitor", *arguments)
    assert (said.code, said.out) == (status, "")
    assert words in " ".join(said.err.split())


def test_watching_shows_it_anew_until_it_is_interrupted() -> None:
    screen = io.StringIO()
    looks: list[int] = []

    def look() -> list[str]:
        looks.append(len(looks))
        if len(looks) == 3:
            raise KeyboardInterrupt
        return [f"look {len(looks)}"]

    keep_showing(look, 0.0, Console(file=screen, force_terminal=True, width=80, height=20))
    assert "look 1" in screen.getvalue()
    assert "look 2" in screen.getvalue()
    assert "\x1b[?1049l" in screen.getvalue(), "the screen is given back"
    with pytest.raises(InvalidInput, match="--watch"):
        keep_showing(look, 0.0, Console(file=io.StringIO()))


def glance(task: str, **fields: Any) -> Glance:
    values: dict[str, Any] = {
        "metric": "brier",
        "version": 3,
        "drift": 0.934,
        "decay": 0.1,
        "rows": 1_200,
        "now": Figure(1_200, 0.131, 0.119, 0.143),
        "baseline": Figure(1_200, 0.24, 0.23, 0.25),
        "estimated": Estimate(metric="brier", value=0.1352, low=0.12, high=0.15, rows=900),
        "coverage": 0.973,
        "delay": 7_560.0,
        "service": SERVED,
        "alerts": 2,
    }
    return Glance(task=task, **(values | fields))


def test_the_line_has_every_figure() -> None:
    head, line = glance_lines([glance("payments")], "7d", 120)[:2]
    cells = line.replace("\x1b[31m", "").replace("\x1b[1m", "").replace("\x1b[0m", "").split()
    assert dict(zip(head.replace("\x1b[1m", "").replace("\x1b[0m", "").split(), cells, strict=True)) == {
        "task": "payments",
        "drift": "0.93!",
        "decay": "0.10",
        "now": "0.131±0.012",
        "base": "0.24",
        "est.": "0.135",
        "labels": "97%",
        "late": "2.1h",
        "/s": "2",
        "p95": "23ms",
        "err": "0.5%",
        "open": "2",
    }


def test_long_names_are_cut_on_a_terminal_only() -> None:
    name = "estimated-arrival-of-parcels-in-minutes"
    for cut in (True, False):
        lines = [click.unstyle(line) for line in glance_lines([glance(name), glance("a")], "7d", 80, cut=cut)]
        assert (max(map(len, lines)) <= 80) is cut
        assert (name in lines[1]) is not cut
        assert lines[1].index("0.93!") == lines[2].index("0.93!")


def test_a_task_that_cannot_be_read_is_told_below() -> None:
    lines = glance_lines([Glance(task="a", metric="mae", problem="its rows are damaged"), glance("b")], "7d", 80)
    assert any(line == "a: its rows are damaged" for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_details_fit_the_terminal(width: int) -> None:
    lines = [click.unstyle(line) for line in task_lines(known(), "7d", width)]
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_details_tell_how_far_why_and_since_when() -> None:
    lines = [click.unstyle(line) for line in task_lines(known(), "7d", 200)]
    text = "\n".join(lines)
    for part in (
        "features        0.95! ██████████  ALARM since 2024-10-03 12:00 UTC",
        "4,000 windows, 1 alarm (0.05 false expected at most), against the last 20,000 rows before version 3",
        "not watched: colour: every value is missing",
        "loss            waits: too few outcomes",
        "before -> in the 1,000 rows from 2024-10-03 00:00 UTC on",
        "amount          ██████████ 0.95! x 60%  missing 0% -> 9%, median 0.625 -> 1.38, since 2024-10-03 00:00",
        "hour            ████······ 0.95! x 20%",
        "now             0.131 (0.119 to 0.143) of 1,200 predictions",
        "baseline        0.24 (0.23 to 0.25), majority",
        "decay           0.10; mean loss 0.12 at the start, 0.13 since 2024-10-03 00:00",
        "outcomes        97% answered, half of them within 2.1h, 90% within 5.6h",
        "assumed         the labels follow the scores as before",
        "2/s, 7,200 in all",
        "p95 23ms, p50 9ms, p99 50ms",
        "0.5% failed (36), 2 refused, 1 answered by a fallback",
        "hour            11% missing",
        "arrivals        3 rows with an id that came before",
        "0.3 inside, 0.1 outside, 120 rows (10%), surely worse (p 0.001)",
        "score           █████····· 0.50 of 1, they changed (p 0.001)",
        "amount          ████████·· 80% of the change",
    ):
        assert part in text, part
    assert "calm" not in text, "what chance brings is no cause"
    model = next(line for line in lines if line.startswith("  model"))
    assert "▁▁▂▃▃▄▄▅" in model and model.endswith("0.1 to 0.24")
    assert "Brier score     0.5 (0.4 to 0.6)" in text, "the task's metric comes first"


def test_causes_that_the_model_does_not_rely_on_are_told_all_the_same() -> None:
    found = known()
    columns = tuple(
        msgspec.structs.replace(one, importance=0.0, weight=0.0) for one in found.drift.columns if one.name == "hour"
    )
    unused = msgspec.structs.replace(found, drift=msgspec.structs.replace(found.drift, columns=columns))
    assert any("hour            ·········· 0.95! x 0%" in line for line in task_lines(unused, "7d", 80))
