"""What `tropism features get` and `tropism features push` do."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from tropism.core.errors import Fault, InvalidInput, TropismError
from tropism.entrypoints.cli.opening import open_project, settings_of
from tropism.entrypoints.cli.tables import print_table
from tropism.entrypoints.feature_values import entities, told_now, values_now
from tropism.entrypoints.sdk import Client
from tropism.entrypoints.starting import address_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tropism.entrypoints.sdk import Pushed

_MOST_SHOWN = 20
_PLACE = re.compile(r"^events\[(\d+)\]")


def get_features(
    project: Path, names: Sequence[str], keys: Sequence[str], requests: Sequence[str], as_json: bool
) -> None:
    platform = open_project(project)
    reader = platform.features.reader(names)
    given = [_pair(text, "--key") for text in keys]
    limit = platform.settings.http.max_rows
    found = entities(given, reader.keys, limit, "--key ") if reader.keys else [{}]
    request = {name: _value(value) for name, value in (_pair(text, "--request") for text in requests)}
    reads = values_now(platform, names, found, [{**row, **request} for row in found])
    told = told_now(reader.names, found, reads)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
        return
    titles = [",".join(row.values()) or "value" for row in found]
    rows = [(name, *(_text(read.values[name]) for read in reads)) for name in reader.names]
    for view in reads[0].statuses:
        rows.append((f"status of {view}", *(str(read.statuses[view]) for read in reads)))
    print_table(("feature", *titles), rows)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidInput(f"{option} has no value", Fault(option, text[:80], "write it as name=value"))
    return name, value


def _value(text: str) -> Any:
    """A number, a boolean, null or text, as JSON has it; other text is itself. Numbers are floats, as in requests."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    return float(value) if type(value) is int and abs(value) <= 2**1000 else value


def _text(value: Any) -> str:
    if value is None or isinstance(value, float):
        return "-" if value is None else f"{value:.6g}"
    plain = value if isinstance(value, str) else msgspec.to_builtins(value)
    text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return "".join(letter if letter.isprintable() else " " for letter in text)


class _Line(NamedTuple):
    number: int
    text: bytes


def push_events(project: Path, stream: str, file: Path, batch: int, url: str | None) -> None:
    address = url or address_of(settings_of(project))
    accepted = rejected = 0
    with Client(address) as client, click.open_file(str(file), "rb") as lines:
        try:
            events = _lines(lines)
            while some := list(islice(events, batch)):
                found = _push(client, stream, some)
                accepted += found.accepted
                for one in found.rejected:
                    rejected += 1
                    if rejected <= _MOST_SHOWN:
                        click.echo(f"line {some[one.index].number}: {one.rule}, it is {one.value}", err=True)
        except TropismError:
            if accepted:
                click.echo(f"{_events(accepted)} accepted before this; the same command goes on from there", err=True)
            raise
    if rejected > _MOST_SHOWN:
        click.echo(f"and {rejected - _MOST_SHOWN} more such lines", err=True)
    click.echo(f"{_events(accepted)} accepted, {rejected} rejected")


def _lines(lines: Any) -> Iterator[_Line]:
    for number, text in enumerate(lines, 1):
        if text.strip():
            yield _Line(number, text.strip())


def _push(client: Client, stream: str, lines: Sequence[_Line]) -> Pushed:
    """One batch. Its id comes of what it holds and where that stands, so that the same again counts once."""
    events = [_event(line) for line in lines]
    digest = hashlib.sha256(b"\n".join(line.text for line in lines)).hexdigest()[:32]
    try:
        return client.push(stream, events, f"file:{digest}:{lines[0].number}-{lines[-1].number}")
    except InvalidInput as error:
        faults = (Fault(_placed(one.field, lines), one.value, one.fix) for one in error.faults)
        raise type(error)(error.message, *faults) from error


def _placed(field: str, lines: Sequence[_Line]) -> str:
    found = _PLACE.match(field)
    if found is None or int(found[1]) >= len(lines):
        return field
    return f"line {lines[int(found[1])].number}{field[found.end() :]}"


def _event(line: _Line) -> dict[str, Any]:
    try:
        return _decoder.decode(line.text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fault = Fault(f"line {line.number}", str(error)[:200], "write one JSON object a line")
        raise InvalidInput("a line is not an event", fault) from error


def _fraction(text: str) -> Decimal | float:
    try:
        return Decimal(text)
    except InvalidOperation:  # its exponent is beyond all bounds
        return float(text)


_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=_fraction)


def _events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"
