"""What `tropism streams` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.clock import iso
from tropism.entrypoints.cli.opening import open_project, settings_of
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.entrypoints.streams.addresses import address_of
from tropism.entrypoints.streams.dead_letters import DeadLetters
from tropism.entrypoints.streams.running import consumption, quieten, run, teller, terms_of
from tropism.entrypoints.streams.standing import stood
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 120


def consume_stream(project: Path, source: str, given: str | None, batch: int | None, wait: str | None) -> None:
    settings = settings_of(project)
    address, terms = address_of(source, given, settings.features), terms_of(settings, batch, wait)
    platform = open_platform(settings)
    say = teller(platform, source, address, lambda line: click.echo(line, err=True))
    run(consumption(platform, source, address, terms, say).run)


def show_status(project: Path, as_json: bool) -> None:
    platform = open_project(project)
    settings = platform.settings.features
    applied = {one.name for one in platform.registry.features.streams()}
    asked = {source: address_of(source, None, settings) for source in settings.streams if source in applied}
    quieten()
    found = stood(platform, asked)
    if as_json:
        _print_json([msgspec.to_builtins(one) for one in found])
        return
    if not found:
        click.echo("nothing was consumed yet: tropism streams consume SOURCE --from ADDRESS")
        return
    head = ("source", "partition", "consumed", "broker's end", "lag", "dead letters", "as of (UTC)")
    print_table(
        head,
        [
            (one.source, one.partition, one.consumed, one.end, one.lag, one.dead_letters, one.at and moment(one.at))
            for one in found
        ],
    )
    for source, reason in {one.source: one.away for one in found if one.away}.items():
        click.echo(f"the broker of '{source}' could not be asked now: {reason}", err=True)


def list_dead_letters(project: Path, source: str, limit: int, as_json: bool) -> None:
    platform = open_project(project)
    platform.registry.features.find("stream", source)
    found = DeadLetters(platform.lake).newest(source, limit)
    if as_json:
        _print_json(
            [
                {
                    "at": iso(one.at),
                    "origin": one.origin,
                    "reason": one.reason,
                    "payload": one.payload.decode(errors="replace"),
                }
                for one in found
            ]
        )
        return
    if not found:
        click.echo(f"no dead letters of '{source}'")
        return
    print_table(
        ("at (UTC)", "origin", "reason", "payload"),
        [(moment(one.at), one.origin, _line(one.reason, 400), _line(_text(one.payload), _SHOWN)) for one in found],
    )


def _text(payload: bytes) -> str:
    return payload[: 4 * _SHOWN].decode(errors="replace")


def _line(text: str, most: int) -> str:
    """On one line, without control characters."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
