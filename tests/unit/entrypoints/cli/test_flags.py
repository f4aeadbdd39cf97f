from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tropism.wiring import Platform

Command = Callable[..., Any]


def test_a_flag_is_made_listed_shown_and_deleted(shop: Command, platform: Platform) -> None:
    assert "tropism flags set" in shop("flags", "list").out
    rules = ("--rule", 'country == "DE" -> on', "--rule", "-> on:0.1, off:0.9")
    assert shop("flags", "set", "checkout", *rules, "--description", "one page").out == "checkout is made\n"
    listed = shop("flags", "list").out.splitlines()
    assert listed[1].split() == ["checkout", "on", "boolean", "on,", "off", "2"]
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
