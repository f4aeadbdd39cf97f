from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec
import pytest

from tropism.monitoring.health import HealthFacts, HealthReport, health, page, to_json
from tropism.monitoring.health.monitored import Cause
from tropism.monitoring.quality import FeatureQuality

if TYPE_CHECKING:
    from collections.abc import Callable

    Facts = Callable[..., HealthFacts]

HOSTILE = '<script src="https://evil.example/x.js">&\'"</script>'
VOID = {"meta", "link", "br", "img", "hr"}
MOST_BYTES = 300_000


class Reader(HTMLParser):
    """Reads a page, and says where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def bare() -> HealthFacts:
    return HealthFacts(task="t", kind="regression", metric="mae", version=None, start_at=0, end_at=9, generated_at=9)


def test_the_page_is_well_formed_and_its_ids_are_unique(full: HealthFacts) -> None:
    read = Reader(page(health(full)))

    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_what_comes_from_the_data_is_text(full: HealthFacts) -> None:
    written = page(health(full))

    read = Reader(written)
    assert read.of("script") == []
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert "<script" not in written
    assert read.text.count(HOSTILE) >= 8


def test_the_page_loads_nothing(full: HealthFacts) -> None:
    read = Reader(page(health(full)))

    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & {tag for tag, _ in read.tags}
    assert not [name for _, attributes in read.tags for name in attributes if name in ("src", "href", "xlink:href")]
    style = page(health(full)).partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|https?:", style)


def test_every_drawing_has_a_text_and_every_table_a_name(full: HealthFacts) -> None:
    read = Reader(page(health(full)))

    drawings = [one for one in read.of("svg") if one.get("aria-hidden") != "true"]
    ids = {attributes.get("id") for _, attributes in read.tags}
    assert len(drawings) > 8
    for one in drawings:
        assert set((one["aria-labelledby"] or "").split()) <= ids
        assert one["aria-labelledby"]
    assert len(read.of("caption")) == len(read.of("table")) > 8


def test_the_page_tells_what_there_is(full: HealthFacts) -> None:
    text = Reader(page(health(full))).text

    for said in (
        "Retrain",
        "0.1500 (0.1400 to 0.1600)",
        "0.2000 (0.1900 to 0.2100)",
        "loss inside",
        "95% interval",
        "52 new labels",
        "63.68",
        "9.2 ms",
        "84%",
        "1 alert open",
        "0.117",
        "V 0.28",
        "How the score is made",
        "a tenth for low",
        "8.3%",
    ):
        assert said in text


def test_a_report_of_nothing_is_a_page_that_says_so(bare: HealthFacts) -> None:
    absent = msgspec.structs.replace(bare, absent={"quality": "the lake cannot be read <today>"})

    text = Reader(page(health(absent))).text

    assert "the lake cannot be read <today>" in text
    assert text.count("not known") > 12
    assert not re.search(r"\b0(\.0+)?%", text)


@pytest.mark.parametrize(
    "part", ["current", "start", "quality", "feedback", "alerts", "decisions", "segments", "service", "cost"]
)
def test_any_part_may_be_absent(full: HealthFacts, part: str) -> None:
    report = health(msgspec.structs.replace(full, **{part: None}, absent={}))

    assert "it was not collected" in Reader(page(report)).text


@pytest.mark.parametrize("part", ["performance", "monitors", "moved", "estimated"])
def test_any_list_may_be_empty(full: HealthFacts, part: str) -> None:
    report = health(msgspec.structs.replace(full, **{part: ()}, absent={}))

    assert "it was not collected" in Reader(page(report)).text


def test_a_thousand_features_and_alerts_make_no_immense_page(full: HealthFacts) -> None:
    names = [f"feature_{place}" for place in range(1_000)]
    columns = tuple(msgspec.structs.replace(full.moved[0], name=name) for name in names)
    causes = tuple(Cause(name=name, score=0.5, importance=0.001) for name in names)
    assert full.quality is not None
    features = tuple(FeatureQuality(name=name, rows=9, missing=5, share=0.5, score=0.9) for name in names)
    wide = msgspec.structs.replace(
        full,
        moved=columns,
        monitors=(msgspec.structs.replace(full.monitors[0], causes=causes), *full.monitors[1:]),
        quality=msgspec.structs.replace(full.quality, features=features),
        alerts=(full.alerts or ()) * 500,
        problems=dict.fromkeys(names, "it holds text"),
        decisions=(full.decisions or ()) * 500,
    )

    assert len(page(health(wide)).encode()) < MOST_BYTES


def test_it_prints_on_a4_with_whole_charts(full: HealthFacts) -> None:
    style = page(health(full)).partition("<style>")[2].partition("</style>")[0]
    printed = style.partition("@media print")[2]

    assert "size: A4" in style
    assert re.search(r"figure[^{]*\{[^}]*break-inside: avoid", printed)
    assert "prefers-color-scheme: dark" in style


def test_json_holds_the_whole_report_and_reads_back(full: HealthFacts) -> None:
    report = health(full)

    assert msgspec.json.decode(to_json(report), type=HealthReport) == report
