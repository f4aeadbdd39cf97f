"""`get` and `push`, as commands of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner, Result
from tests.unit.entrypoints.shop import open_shop

from tropism.core.errors import TropismError
from tropism.entrypoints.cli import run_features_serving
from tropism.entrypoints.cli.features_serving import get, push
from tropism.entrypoints.cli.main import cli
from tropism.entrypoints.sdk import Client
from tropism.wiring import Platform

Run = Callable[..., Result]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Platform]:
    made = open_shop(tmp_path / "shop")
    yield made
    made.features.online.close()
    made.features.windows.close()
    made.database.dispose()


@pytest.fixture
def run(shop: Platform) -> Run:
    def one(command: click.Command, *arguments: object, text: str | None = None) -> Result:
        words = ("-C", shop.project, "features", command.name, *arguments)
        return CliRunner().invoke(cli, [str(part) for part in words], input=text)

    return one


def refused(found: Result) -> str:
    assert isinstance(found.exception, TropismError), found.output
    return str(found.exception)


def test_values_of_entities_stand_beside_one_another(run: Run) -> None:
    keys = ("--key", "account_id=a-1", "--key", "account_id=zz")
    found = run(get, "spend", "profile.limit", "ratio", *keys, "--request", "amount=6")
    assert found.exit_code == 0, found.output
    assert [line.split() for line in found.output.splitlines()] == [
        ["feature", "a-1", "zz"],
        ["spend.sum_amount_7d", "35.50", "-"],
        ["spend.count_7d", "3", "0"],
        ["profile.limit", "100.00", "-"],
        ["ratio", "2", "-"],
        ["status", "of", "profile", "PRESENT", "MISSING"],
        ["status", "of", "spend", "PRESENT", "MISSING"],
    ]


def test_json_is_for_machines(run: Run) -> None:
    found = json.loads(run(get, "spend@1.count_7d", "--key", "account_id=a-2", "--json").output)
    assert found["names"] == ["spend.count_7d"]
    (row,) = found["rows"]
    assert (row["keys"], row["values"]) == ({"account_id": "a-2"}, {"spend.count_7d": 1})
    assert row["statuses"] == {"spend": "PRESENT"}
    assert row["known"]["spend@1"] <= found["at"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("spent", "--key", "account_id=a"), "did you mean 'spend'?"),
        (("spend",), "--key account_id"),
        (("spend", "--key", "acount_id=a"), "--key acount_id: got a; use: account_id"),
        (("spend", "--key", "a-1"), "name=value"),
        (("ratio", "--key", "account_id=a-1"), "send the column"),
        (("ratio", "--key", "account_id=a-1", "--request", "amount"), "name=value"),
    ],
)
def test_what_cannot_be_read_says_why(run: Run, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(run(get, *arguments))


class Taken:
    """Plays the data plane: takes batches, keeps out what is below zero, refuses what has no amount."""

    def __init__(self) -> None:
        self.pushes: list[Any] = []
        self.left = 1_000

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content, parse_float=str)
        if not self.left:
            return httpx.Response(507, json={"code": "disk-full", "detail": "the disk is full"})
        self.left -= 1
        for index, event in enumerate(body["events"]):
            if "amount" not in event:
                fault = {"field": f"events[{index}].amount", "value": "", "fix": "send it"}
                document = {"code": "invalid-input", "detail": "it is missing", "faults": [fault]}
                return httpx.Response(422, json=document)
        self.pushes.append(body)
        bad = [index for index, event in enumerate(body["events"]) if float(event["amount"]) < 0]
        rejected = [{"index": index, "rule": "range of 'amount'", "value": "-1"} for index in bad]
        return httpx.Response(202, json={"accepted": len(body["events"]) - len(bad), "rejected": rejected})


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    made = Taken()

    def client(address: str) -> Client:
        return Client(address, transport=httpx.MockTransport(made))

    monkeypatch.setattr(run_features_serving, "Client", client)
    return made


def lines(*amounts: object) -> str:
    return "".join(f'{{"account_id": "a", "amount": {amount}}}\n' for amount in amounts)


def test_lines_are_pushed_in_batches_and_what_rules_keep_out_is_told(run: Run, taken: Taken, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(1, "12345678901234567.89") + "\n" + lines(-1, 4, 5))
    found = run(push, "payments", file, "--batch", 2)
    assert found.exit_code == 0, found.output
    assert found.stdout == "4 events accepted, 1 rejected\n"
    assert "line 4: range of 'amount', it is -1" in found.stderr
    assert [[event["amount"] for event in one["events"]] for one in taken.pushes] == [
        [1, "12345678901234567.89"],
        [-1, 4],
        [5],
    ]


def test_the_same_lines_come_under_the_same_ids_and_others_under_others(run: Run, taken: Taken) -> None:
    def ids(text: str) -> list[str]:
        taken.pushes.clear()
        assert run(push, "payments", "--batch", 2, text=text).exit_code == 0
        return [one["id"] for one in taken.pushes]

    first = ids(lines(1, 2, 1, 2, 5))
    assert len(set(first)) == 3
    assert ids(lines(1, 2, 1, 2, 5)) == first
    longer = ids(lines(1, 2, 1, 2, 5, 6))
    assert longer[:2] == first[:2]
    assert longer[2] not in first
    assert not set(ids(lines(7, 2, 1, 3))) & set(first)


def test_a_line_that_cannot_be_used_is_named_and_what_came_before_is_kept(run: Run, taken: Taken) -> None:
    text = lines(1, 2) + '{"account_id": "a", "amount": 3}\n\n{"account_id": "b"}\n'
    found = run(push, "payments", "--batch", 2, text=text)
    assert "line 5.amount: send it" in refused(found)
    assert "2 events accepted before this" in found.stderr
    found = run(push, "payments", text=lines(1) + "nix\n")
    assert "line 2: got" in refused(found)
    assert "line 1: got" in refused(run(push, "payments", text="[1]\n"))


def test_a_full_disk_stops_where_it_is(run: Run, taken: Taken) -> None:
    taken.left = 1
    found = run(push, "payments", "--batch", 2, text=lines(1, 2, 3))
    assert "the disk is full" in refused(found)
    assert "2 events accepted before this; the same command goes on from there" in found.stderr


def test_nothing_to_push_is_no_error(run: Run, taken: Taken) -> None:
    assert run(push, "payments", text="\n").stdout == "0 events accepted, 0 rejected\n"
    assert taken.pushes == []
