from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tropism.core.clock import DAY
from tropism.core.flag import Flag
from tropism.entrypoints.cli.tables import moment
from tropism.wiring import Platform

Command = Callable[..., Any]


def test_a_flag_is_made_listed_shown_and_deleted(shop: Command, platform: Platform) -> None:
    assert "tropism flags set" in shop("flags", "list").out
    rules = ("--rule", 'country == "DE" -> on', "--rule", "-> on:0.1, off:0.9")
    assert shop("flags", "set", "checkout", *rules, "--description", "one page").out == "checkout is made\n"
    listed = shop("flags", "list").out.splitlines()
    assert listed[1].split() == ["checkout", "on", "boolean", "on,", "off", "2", "never"]
    out = shop("flags", "show", "checkout").out
    for words in ("one page", "off = false  (default)", '1  country == "DE" -> on', "everybody -> on 0.1, off 0.9 by"):
        assert words in out
    assert msgspec.json.decode(shop("flags", "list", "--json").out)[0]["revision"] == 1
    assert "is deleted" in shop("flags", "delete", "checkout").out
    assert shop("flags", "show", "checkout").code == 1
    assert "deleted" in shop("flags", "history", "checkout").out


def test_what_is_not_named_stays(shop: Command, platform: Platform) -> None:
    shop("flags", "set", "checkout", "--rule", "-> on", "--description", "one page")
    assert shop("flags", "set", "checkout", "--rule", "-> off").out == "checkout is changed, revision 2\n"
    assert shop("flags", "set", "checkout", "--rule", "-> off").out == "checkout is so already\n"
    flag = platform.registry.flags.get("checkout").flag
    assert (flag.description, flag.rules[0].serve) == ("one page", "off")


def test_a_flag_of_every_part(shop: Command, platform: Platform) -> None:
    shop("flags", "set", "base")
    said = shop(
        *("flags", "set", "banner", "--type", "string", "--variant", "calm=7", "--variant", "loud=HI!"),
        *("--default", "calm", "--rule", "tester -> calm:0.5,loud:0.5", "--by", "account.id", "--needs", "base=on"),
        *("--from", "2026-01-01", "--until", "2026-02-01T12:00:00Z", "--comment", "for the sale", "--actor", "bob"),
    )
    assert said.code == 0, said.err
    flag = platform.registry.flags.get("banner").flag
    assert (flag.variants, flag.default, flag.rules[0].by) == ({"calm": "7", "loud": "HI!"}, "calm", "account.id")
    out = shop("flags", "show", "banner").out
    assert "needs base to be on" in out
    assert "holds from 2026-01-01T00:00:00Z until 2026-02-01T12:00:00Z" in out
    assert "for the sale" in shop("flags", "history", "banner").out


def test_rules_of_one_environment(shop: Command, platform: Platform) -> None:
    shop("flags", "set", "checkout", "--environment", "staging", "--rule", "-> on")
    assert shop("flags", "evaluate", "checkout").out.startswith("off = false  (STATIC)")
    assert shop("flags", "evaluate", "checkout", "--environment", "staging").out.startswith("on = true  (STATIC)")
    assert shop("flags", "toggle", "checkout", "off", "--environment", "staging").out == "checkout is off in staging\n"
    assert "on; off in staging" in shop("flags", "list").out


def test_a_flag_goes_through_a_file(shop: Command, platform: Platform, tmp_path: Path) -> None:
    shop("flags", "set", "checkout", "--rule", "-> on")
    path = tmp_path / "flag.json"
    path.write_text(shop("flags", "show", "checkout", "--json").out)
    shop("flags", "delete", "checkout")
    assert shop("flags", "set", "checkout", "--file", path).out == "checkout is made\n"
    assert platform.registry.flags.get("checkout").flag.rules[0].serve == "on"
    assert "let its key be 'other'" in shop("flags", "set", "other", "--file", path).err
    path.write_text("{")
    assert "--file" in shop("flags", "set", "checkout", "--file", path).err


def test_switches_say_what_they_did(shop: Command, platform: Platform) -> None:
    shop("flags", "set", "checkout", "--rule", "-> on")
    assert shop("flags", "toggle", "checkout", "off").out == "checkout is off\n"
    assert "everybody gets 'off'" in shop("flags", "kill", "checkout").out
    assert "it is killed, which wins" in shop("flags", "toggle", "checkout", "on").out
    assert shop("flags", "kill", "checkout", "--undo").out == "checkout is again what it says: on\n"


def test_it_is_told_why(shop: Command, platform: Platform) -> None:
    shop("flags", "set", "checkout", "--rule", "age >= 18 -> on", "--rule", "-> on:0, off:1")
    out = shop("flags", "evaluate", "checkout", "--unit", "user-7", "--with", "age=30").out
    assert out == "on = true  (TARGETING_MATCH)\n  rule 1: age >= 18 holds\n"
    said = shop("flags", "evaluate", "checkout")
    assert (said.code, said.out.startswith("TARGETING_KEY_MISSING: ")) == (1, True)
    found = msgspec.json.decode(shop("flags", "evaluate", "checkout", "--unit", "u", "--json").out)
    assert (found["variant"], found["reason"], len(found["why"])) == ("off", "SPLIT", 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--rule", "on"), "WHEN -> WHAT"),
        (("--rule", "->"), "WHEN -> WHAT"),
        (("--rule", "-> on:much"), "shares such as"),
        (("--rule", "-> on:0.5"), "sum to 1"),
        (("--rule", "country = 1 -> on"), "write == to compare"),
        (("--rule", "-> onn"), "did you mean 'on'"),
        (("--variant", "on"), "NAME=VALUE"),
        (("--by", "account"), "--rule"),
        (("--needs", "checkout=on"), "cannot need itself"),
        (("--until", "soon"), "ISO 8601"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_fix(
    shop: Command, platform: Platform, arguments: tuple[str, ...], words: str
) -> None:
    said = shop("flags", "set", "checkout", *arguments)
    assert said.code == 1
    assert words in said.err
    assert platform.registry.flags.all() == ()


def test_the_help_teaches(shop: Command) -> None:
    for command in ("list", "show", "set", "toggle", "kill", "delete", "evaluate", "history"):
        assert f"tropism flags {command}" in shop("flags", command, "--help").out


def test_how_often_each_variant_was_given_is_shown(shop: Command, platform: Platform) -> None:
    shop("flags", "set", "checkout", "--rule", "-> on")
    assert "evaluated: never" in shop("flags", "show", "checkout").out
    now = platform.clock.now()
    platform.registry.flags.exposures.add({("checkout", "on"): 5, ("checkout", ""): 2}, now=now - 3 * DAY)
    platform.registry.flags.exposures.add({("checkout", "on"): 3}, now=now)
    out = shop("flags", "show", "checkout").out
    assert f"on  3 in the last day, 8 ever, last {moment(now)} UTC" in out
    assert "with an error  0 in the last day, 2 ever" in out
    assert msgspec.json.decode(shop("flags", "show", "checkout", "--json").out)["exposures"][1]["day"] == 3
    assert shop("flags", "list").out.splitlines()[1].endswith(moment(now))


def test_flags_that_nobody_asks_for_are_marked(shop: Command, platform: Platform) -> None:
    now = platform.clock.now()
    for key in ("fresh", "forgotten", "used"):
        platform.registry.flags.put(Flag(key=key), actor="ann", now=now - (0 if key == "fresh" else 50 * DAY))
    platform.registry.flags.exposures.add({("forgotten", "off"): 1}, now=now - 40 * DAY)
    platform.registry.flags.exposures.add({("used", "off"): 1}, now=now - 29 * DAY)
    stale = {line.split()[0]: "stale: not for 40 days" in line for line in shop("flags", "list").out.splitlines()[1:]}
    assert stale == {"fresh": False, "forgotten": True, "used": False}
    listed = msgspec.json.decode(shop("flags", "list", "--json").out)
    assert [(one["flag"]["key"], one["stale"]) for one in listed] == [
        ("forgotten", True),
        ("fresh", False),
        ("used", False),
    ]
    assert (listed[0]["evaluated_at"], listed[1]["evaluated_at"]) == (now - 40 * DAY, None)


def test_a_file_of_show_sets_the_flag_again(shop: Command, platform: Platform, tmp_path: Path) -> None:
    shop("flags", "set", "checkout", "--rule", "-> on")
    (tmp_path / "flag.json").write_text(shop("flags", "show", "checkout", "--json").out)
    assert "so already" in shop("flags", "set", "checkout", "--file", str(tmp_path / "flag.json")).out
