from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

DEFINED = """\
from tropism.features import Decimal, Entity, FeatureView, Field, SqlSource, StreamSource, agg, on_demand

account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2), "shop": str})
spend = FeatureView(
    "spend",
    entity=account,
    source=payments,
    fields=[agg.sum("amount", "24h"), agg.count("7d"), agg.last("shop", "7d"), agg.mean("amount", "7d")],
    owner="ann",
)
source = SqlSource(url="postgresql://ann:secret@db/shop", query="limits", timestamp="t")
limits = FeatureView("limits", entity=account, source=source, fields=[Field("amount", Decimal(2)), Field("seen", bool)])
ratio = on_demand(lambda f, request: request["amount"] / f["spend.mean_amount_7d"], name="ratio")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "store" / "project.py"
    found.parent.mkdir()
    found.write_text(DEFINED)
    return found


@pytest.fixture
def features(tropism: Command, path: Path) -> Command:
    """`tropism -C store features ARGUMENTS`."""

    def run(*arguments: object) -> Any:
        said = tropism("-C", path.parent, "features", *arguments)
        assert "secret" not in said.out + said.err
        return said

    return run


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def signs(out: str) -> list[str]:
    return [line.partition(",")[0] for line in out.splitlines() if line[:1] in "+~=-" and line[1:2] == " "]


def test_apply_shows_the_plan_and_then_does_it(features: Command) -> None:
    created = ["+ entity account", "+ stream payments", "+ view limits", "+ view spend", "+ on-demand ratio"]
    said = features("apply", "--dry-run")
    assert said.code == 0
    assert signs(said.out) == created
    assert "spend.sum_amount_24h: decimal(2), sum of amount over 24h, by 30m" in said.out
    assert said.out.endswith("5 to create\n")
    assert "no features yet" in features("list").out
    assert signs(features("apply").out) == created
    again = features("apply")
    assert signs(again.out) == [f"={line[1:]}" for line in created]
    assert again.out.endswith("5 the same\n")


def test_a_plan_says_what_changes_field_by_field(features: Command, path: Path) -> None:
    features("apply", "--yes")
    change(path, 'agg.sum("amount", "24h")', 'agg.sum("amount", "24h", hop="1h")')
    change(path, "source=source,", 'source=source, owner="bob",')
    change(path, "ratio = ", "_ = lambda: ")
    out = features("apply").out
    assert signs(out) == ["= entity account", "= stream payments", "~ view limits", "~ view spend", "- on-demand ratio"]
    assert "    fields.sum_amount_24h.hop: 30m -> 1h\n" in out
    assert "version 2 (version 1 goes on serving until it is dropped)" in out
    assert "    owner: - -> bob\n" in out
    assert "kept until: tropism features drop ratio 1 --kind on-demand" in out
    assert out.endswith("1 to get a new version, 1 described anew, 2 the same, 1 gone from project.py\napplied\n")
    assert [line.split()[:4] for line in features("list").out.splitlines()[1:]] == [
        ["entity", "account", "1", "live"],
        ["stream", "payments", "1", "live"],
        ["view", "limits", "1", "live"],
        ["view", "spend", "1", "old"],
        ["view", "spend", "2", "live"],
        ["on-demand", "ratio", "1", "live"],
    ]


def test_a_change_that_would_break_what_is_served_is_refused(features: Command, path: Path) -> None:
    features("apply")
    change(path, ', agg.last("shop", "7d")', "")
    change(path, ', "shop": str', "")
    said = features("apply")
    assert said.code == 1
    assert said.err.startswith("error [conflict]")
    assert "stream.payments.schema.shop: got missing, it was text" in said.err
    assert "tropism features drop spend 1" in said.err
    assert features("drop", "spend", 1).out == "view spend, version 1, is dropped\n"
    assert features("apply").code == 0


def test_show_says_what_a_view_is_and_what_it_was_made_from(features: Command, path: Path) -> None:
    features("apply", "--actor", "bob")
    lines = features("show", "spend").out.splitlines()
    assert lines[0] == "view spend, version 1 (live)"
    assert "by bob" in lines[1]
    table = [re.split(r"\s{2,}", line) for line in lines if line.startswith("spend.")]
    assert table == [
        ["spend.sum_amount_24h", "decimal(2)", "sum of amount over 24h, by 30m"],
        ["spend.count_7d", "integer", "count over 7d, by 6h"],
        ["spend.last_shop_7d", "text", "last of shop over 7d, by 6h"],
        ["spend.mean_amount_7d", "number", "mean of amount over 7d, by 6h"],
    ]
    assert lines[-1] == "made from: source stream:payments -> view spend@1"
    change(path, 'agg.count("7d")', 'agg.count("1d")')
    features("apply")
    assert "other versions: 1 (old)" in features("show", "spend").out
    assert features("show", "spend", "--version", 1).out.startswith("view spend, version 1 (old)")
    assert "postgresql://ann:***@db/shop" in features("show", "limits").out
    assert "used for: source stream:payments -> view spend@2" in features("show", "payments").out
    assert "key: account_id" in features("show", "account", "--kind", "entity").out
    assert "type: number" in features("show", "ratio").out


def test_json_is_for_machines(features: Command) -> None:
    features("apply")
    listed = json.loads(features("list", "--json").out)
    assert [(one["kind"], one["name"], one["version"]) for one in listed][:2] == [
        ("entity", "account", 1),
        ("stream", "payments", 1),
    ]
    shown = json.loads(features("show", "limits", "--json").out)
    assert shown["spec"]["source"]["url"] == "postgresql://ann:***@db/shop"
    assert shown["features"][0] == {"name": "limits.amount", "type": "decimal(2)", "from": "column amount"}
    assert shown["lineage"]["from"][0]["to_id"] == "limits@1"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "nix"), "not-found", "use one of: limits, spend"),
        (("show", "spend", "--version", 9), "unknown-version", "use one of: 1"),
        (("drop", "nix", 1), "not-found", "use one of: limits, spend"),
        (("drop", "spend", 9), "unknown-version", "use one of: 1"),
        (("drop", "account", 1, "--kind", "entity"), "conflict", "first drop limits@1, spend@1"),
    ],
    ids=lambda part: " ".join(map(str, part)) if isinstance(part, tuple) else None,
)
def test_what_cannot_be_says_why(features: Command, arguments: tuple[object, ...], code: str, words: str) -> None:
    features("apply")
    said = features(*arguments)
    assert said.code == 1
    assert said.err.startswith(f"error [{code}]")
    assert words in said.err


def test_a_mistake_in_the_file_names_its_line(features: Command, path: Path) -> None:
    change(path, 'owner="ann"', "owner=5")
    said = features("apply")
    assert said.code == 1
    assert said.err.startswith("error [project-invalid] feature view 'spend' is not valid")
    assert "project.py:10 owner: got 5; use text in quotes" in said.err
    path.unlink()
    assert "there is no project.py" in features("apply").err or "is not a project" in features("apply").err


def test_a_project_without_features_says_how_to_declare_one(shop: Command) -> None:
    assert "bind a FeatureView to a name" in shop("features", "apply").out
    assert "declare them in project.py" in shop("features", "list").out


@pytest.mark.parametrize(("answer", "code", "end"), [("y", 0, "applied"), ("n", 1, "nothing was applied")])
def test_on_a_terminal_it_asks(features: Command, path: Path, answer: str, code: int, end: str) -> None:
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "tropism", "-C", str(path.parent), "features", "apply"]
    process = subprocess.Popen(command, stdin=inside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(inside)
    os.write(terminal, f"{answer}\n".encode())
    out = process.communicate(timeout=60)[0]
    os.close(terminal)
    assert "Apply this? [y/N]" in out
    assert out.splitlines()[-1].endswith(end)
    assert process.returncode == code
    assert ("no features yet" in features("list").out) == (code == 1)
