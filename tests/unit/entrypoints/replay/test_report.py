from __future__ import annotations

import dataclasses
import errno
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import DiskFull, NotWritable
from tropism.core.task import Feature
from tropism.entrypoints.replay.policies import PolicyResult
from tropism.entrypoints.replay.record import Decision, Drift, Report
from tropism.entrypoints.replay.report import write_report
from tropism.entrypoints.replay.stream import Stream
from tropism.entrypoints.replay.summary import summarise_policy

MakeStream = Callable[..., Stream]
NASTY = "<img src=x onerror=alert(1)>$title\"'&"
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(make_stream: MakeStream, *, name: str = "x", time: str | None = None, **changes: Any) -> Report:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600).astype(float)
    stream = make_stream(list(labels), delay="2", time=time)
    task = type(stream.task)(
        name="t", kind="binary", target=f"y{name}" if name != "x" else "y", features=(Feature(name),)
    )
    stream = dataclasses.replace(stream, task=task, path=Path(f"{name}.csv"), notes=(f"note {name}",))
    policies = tuple(
        summarise_policy(stream, PolicyResult(policy, 100, np.clip(labels[100:, None] * share + 0.2, 0, 1), 4, (), 1.0))
        for policy, share in (("loop", 0.6), ("static", 0.2), ("scheduled", 0.5), ("no-change", 0.3))
    )
    at = [int(moment) for moment in stream.at]
    evidence = {"n": 250, "metric": "brier", "estimate": 0.02, "lower": 0.01, "upper": 0.03, "skew": float("nan")}
    decisions = (
        Decision("id-1", at[150], "train", "t", 1, {"reasons": [f"because {name}"]}),
        Decision("id-2", at[200], "promote", "t", 1, evidence),
        Decision("id-3", at[220], "wait", "t", 2, {"n": 3}),
        Decision("id-4", at[300], "rollback", "t", 1, evidence),
    )
    drift = tuple(Drift(at[i], name, i / 600) for i in range(100, 600, 50))
    fields: dict[str, Any] = {
        "decisions": decisions,
        "drift": drift,
        "warmup": 100,
        "command": f"tropism replay {name}.csv",
    }
    return Report(stream=stream, policies=policies, **(fields | changes))


def test_the_json_has_what_was_promised(make_stream: MakeStream, tmp_path: Path) -> None:
    _, path = write_report(tmp_path / "out", report(make_stream, extra={"seed": 7}))
    found = msgspec.json.decode(path.read_bytes())
    assert path.name == "report.json"
    assert (found["events"], found["metric"], found["label_delay"]) == (600, "brier", "2")
    assert found["served_over_http"] is True
    assert list(found["policies"]) == ["loop", "static", "scheduled", "no-change"]
    for policy in found["policies"].values():
        assert {"prequential", "windows", "models_trained", "cpu_seconds"} <= set(policy)
        assert {"at", "n", "value"} == set(policy["windows"][0])
        assert sum(window["n"] for window in policy["windows"]) == 500
    assert [set(one) for one in found["decisions"]] == [{"id", "at", "kind", "model", "version", "evidence"}] * 4
    assert found["decisions"][1]["evidence"]["skew"] is None
    assert found["decisions"][0]["at"].endswith("Z")
    assert (found["best"]["policy"], found["seed"], found["warmup"]) == ("loop", 7, 100)


def test_the_page_says_who_was_best_and_why_each_decision_was_made(make_stream: MakeStream, tmp_path: Path) -> None:
    html, _ = write_report(tmp_path, report(make_stream))
    text = Page(html.read_text("utf-8")).text
    assert "Loop is best here" in text
    assert "Version 1 was promoted." in text
    assert "250 outcomes; Brier score better by 0.0200 (between 0.0100 and 0.0300)" in text
    assert "1 looks that decided to wait" in text
    assert "tropism replay x.csv" in text
    assert "note x" in text
    assert "event 201" in text


def test_the_page_loads_nothing_and_runs_nothing(make_stream: MakeStream, tmp_path: Path) -> None:
    html, _ = write_report(tmp_path, report(make_stream))
    content = html.read_text("utf-8")
    page = Page(content)
    assert {"script", "link", "iframe", "img", "object", "base"}.isdisjoint(tag for tag, _ in page.tags)
    assert not any(
        name in attributes for _, attributes in page.tags for name in ("src", "href", "xlink:href", "style", "onclick")
    )
    assert re.findall(r"https?://", content) == []
    assert re.findall(r"url\((?!#)", content) == []
    assert "default-src 'none'" in content


def test_whatever_comes_from_the_data_is_escaped(make_stream: MakeStream, tmp_path: Path) -> None:
    html, json = write_report(tmp_path, report(make_stream, name=NASTY))
    page = Page(html.read_text("utf-8"))
    assert "img" not in {tag for tag, _ in page.tags}
    assert NASTY in page.text
    assert msgspec.json.decode(json.read_bytes())["features"] == [NASTY]


def test_every_chart_has_a_title_a_description_and_its_numbers(make_stream: MakeStream, tmp_path: Path) -> None:
    html, _ = write_report(tmp_path, report(make_stream))
    page = Page(html.read_text("utf-8"))
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    charts = [attributes for tag, attributes in page.tags if tag == "svg" and "aria-hidden" not in attributes]
    assert len(charts) == 2 + 4 + 2 + 1
    for chart in charts:
        assert set((chart["aria-labelledby"] or "").split()) <= set(identifiers)
    assert len([tag for tag, _ in page.tags if tag == "details"]) == 3


def test_a_bare_report_can_be_written(make_stream: MakeStream, tmp_path: Path) -> None:
    bare = report(make_stream, decisions=(), drift=(), command="")
    html, _ = write_report(tmp_path, dataclasses.replace(bare, policies=bare.policies[:1]))
    text = Page(html.read_text("utf-8")).text
    assert "The loop made no decision on this stream." in text
    assert "Drift" not in text


@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_other_kinds_can_be_written(make_stream: MakeStream, tmp_path: Path, kind: str) -> None:
    classes = ("a", "b") if kind == "multiclass" else ()
    stream = make_stream([float(i % 2) for i in range(300)], kind=kind, classes=classes, time="when")
    scores = np.full((200, max(len(classes), 1)), 0.5)
    policies = tuple(summarise_policy(stream, PolicyResult(name, 100, scores)) for name in ("loop", "custom"))
    html, _ = write_report(tmp_path, Report(stream=stream, policies=policies, served_over_http=False))
    assert "served over HTTP no" in Page(html.read_text("utf-8")).text


def test_many_decisions_are_cut_in_the_page_but_not_in_the_file(make_stream: MakeStream, tmp_path: Path) -> None:
    start = int(make_stream([0.0, 1.0]).at[0])
    many = tuple(Decision(f"d{i}", start + i * SECOND, "reject", "t", i, {}) for i in range(450))
    html, json = write_report(tmp_path, report(make_stream, decisions=many))
    assert "the first 400 are shown" in Page(html.read_text("utf-8")).text
    assert len(msgspec.json.decode(json.read_bytes())["decisions"]) == 450


def test_a_folder_that_is_a_file_is_refused(make_stream: MakeStream, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(NotWritable) as caught:
        write_report(tmp_path / "out", report(make_stream))
    assert caught.value.faults[0].field == "--out"


def test_a_full_disk_leaves_the_old_report_whole(
    make_stream: MakeStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    html, _ = write_report(tmp_path, report(make_stream))
    before = html.read_bytes()

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFull):
        write_report(tmp_path, report(make_stream))
    assert html.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
