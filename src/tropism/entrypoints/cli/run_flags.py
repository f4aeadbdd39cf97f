"""What the commands of `tropism flags` change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.errors import DataInvalid, Fault, InvalidInput, NotFound
from tropism.core.faults import shown
from tropism.core.flag import Flag, read_flag
from tropism.entrypoints.cli.opening import open_project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_flag(project: Path, key: str, path: Path | None, parts: Mapping[str, Any], comment: str, actor: str) -> None:
    platform = open_project(project)
    store = platform.registry.flags
    try:
        found = store.get(key)
        before, revision = found.flag, found.revision
    except NotFound:
        before, revision = Flag(key=key), 0
    flag = read_flag(_changed(before if path is None else _read(path, key), parts))
    stored = store.put(flag, actor=actor, now=platform.clock.now(), revision=revision, comment=comment)
    if stored.revision == revision:
        click.echo(f"{key} is so already")
    else:
        click.echo(f"{key} is made" if revision == 0 else f"{key} is changed, revision {stored.revision}")
    if not (flag.rules or flag.environments):
        click.echo(f"it has no rules, so everybody gets '{flag.default}': add one with --rule '-> VARIANT'")


def _changed(flag: Flag, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The flag as JSON, with the parts that were named."""
    made: dict[str, Any] = msgspec.to_builtins(flag)
    for name, option in {"type": "kind", "default": "default", "description": "description"}.items():
        if parts[option] is not None:
            made[name] = parts[option]
    made |= {name: parts[option] for name, option in (("from", "start"), ("until", "until")) if parts[option]}
    if parts["variants"]:
        made["variants"] = dict(pair(one, "--variant", text=made["type"] == "string") for one in parts["variants"])
    if parts["needs"]:
        needed = [pair(one, "--needs", text=True) for one in parts["needs"]]
        made["prerequisites"] = [{"flag": name, "variant": variant} for name, variant in needed]
    if parts["rules"]:
        _place_rules(made, [_rule(one, parts["by"]) for one in parts["rules"]], parts["environment"])
    for option in ("by", "environment"):
        if parts[option] and not parts["rules"]:
            fix = "name the rules that it is for: --rule 'WHEN -> WHAT'"
            raise InvalidInput(f"--{option} is of rules", Fault(f"--{option}", parts[option], fix))
    return made


def _place_rules(flag: dict[str, Any], rules: Sequence[dict[str, Any]], environment: str | None) -> None:
    if environment is None:
        flag["rules"] = rules
    else:
        flag["environments"][environment] = {**flag["environments"].get(environment, {}), "rules": rules}


def _rule(text: str, by: str | None) -> dict[str, Any]:
    """A rule from `WHEN -> WHAT`. Raises: InvalidInput: it has no arrow, or a share is no number."""
    when, arrow, what = text.rpartition("->")
    if not arrow or not what.strip():
        fix = "write 'WHEN -> WHAT', such as 'country == \"DE\" -> on' or '-> on:0.1, off:0.9'"
        raise InvalidInput("this is not a rule", Fault("--rule", shown(text), fix))
    rule: dict[str, Any] = {"when": when.strip()} | ({"by": by} if by else {})
    if ":" not in what:
        return rule | {"serve": what.strip()}
    shares: dict[str, float] = {}
    for one in what.split(","):
        name, _, share = one.partition(":")
        try:
            shares[name.strip()] = float(share)
        except ValueError as error:
            fix = "write shares such as on:0.1, off:0.9"
            raise InvalidInput("a share is not a number", Fault("--rule", shown(one.strip()), fix)) from error
    return rule | {"rollout": shares}


def pair(given: str, option: str, text: bool = False) -> tuple[str, Any]:
    """The name and the value in `NAME=VALUE`: JSON where it is such, unless `text`.

    Raises:
        InvalidInput: there is no name, or no `=`.

    >>> pair("age=30", "--with"), pair("country=DE", "--with"), pair("calm=7", "--variant", text=True)
    (('age', 30), ('country', 'DE'), ('calm', '7'))
    """
    name, sign, value = given.partition("=")
    if not name or not sign:
        raise InvalidInput(f"{option} needs a name and a value", Fault(option, shown(given), "write NAME=VALUE"))
    if text:
        return name, value
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def _read(path: Path, key: str) -> Flag:
    """The flag in a file, as `show --json` prints it or alone. Raises: DataInvalid, InvalidInput."""
    try:
        data = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        fault = Fault("--file", str(path), f"name a JSON file: {error}")
        raise DataInvalid("the file cannot be read", fault) from error
    data = data.get("flag", data) if isinstance(data, dict) else data
    if not isinstance(data, dict) or data.get("key", key) != key:
        raise DataInvalid("the file holds another flag", Fault("--file", str(path), f"let its key be '{key}'"))
    return read_flag({**data, "key": key})


def toggle_flag(project: Path, key: str, enabled: bool, environment: str | None, actor: str) -> None:
    platform = open_project(project)
    now = platform.clock.now()
    stored = platform.registry.flags.toggle(key, enabled, actor=actor, now=now, environment=environment)
    where = f" in {environment}" if environment else ""
    click.echo(f"{key} is {'on' if enabled else 'off'}{where}")
    if stored.flag.killed:
        click.echo(f"but it is killed, which wins: tropism flags kill {key} --undo")


def kill_flag(project: Path, key: str, killed: bool, actor: str) -> None:
    platform = open_project(project)
    stored = platform.registry.flags.kill(key, killed, actor=actor, now=platform.clock.now())
    if killed:
        click.echo(f"{key} is killed: everybody gets '{stored.flag.default}', in every environment")
        click.echo(f"end it: tropism flags kill {key} --undo")
    else:
        click.echo(f"{key} is again what it says: {'on' if stored.flag.enabled else 'off'}")


def delete_flag(project: Path, key: str, actor: str) -> None:
    platform = open_project(project)
    platform.registry.flags.delete(key, actor=actor, now=platform.clock.now())
    click.echo(f"{key} is deleted; its history stays: tropism flags history {key}")
