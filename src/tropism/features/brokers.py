"""Addresses of streams at brokers, such as `redis://127.0.0.1:6379/0?stream=payments`."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput, SettingInvalid

_STREAM = {
    "redis": "stream",
    "rediss": "stream",
    "nats": "stream",
    "tls": "stream",
    "kafka": "topic",
    "kafkas": "topic",
}
_OPTIONS = ("stream", "topic", "subject", "group", "name", "hold")
_KINDS = {"rediss": "redis", "tls": "nats", "kafkas": "kafka"}
EXAMPLES = {
    "redis": "redis://127.0.0.1:6379/0?stream=payments",
    "nats": "nats://127.0.0.1:4222?stream=payments&subject=payments.*",
    "kafka": "kafka://127.0.0.1:9092?topic=payments",
}
_PLAIN = re.compile(r"[^\s.*>/\\]+")


class Address(NamedTuple):
    """Where a source's events come from.

    `kind`: redis, nats or kafka. `url`: of the server, without our options. `shown`: the same without its login.
    `stream`: the stream, or the topic. `group`: the consumer group, or the durable consumer. `hold`: seconds for which
    a consumer may keep messages to itself before another is given them. `field`: what errors name it by.
    """

    kind: str
    url: str
    shown: str
    stream: str
    group: str
    subject: str = ""
    name: str = ""
    hold: float = 60.0
    field: str = "address"

    @property
    def partition(self) -> str:
        """What positions of this stream begin with. `name` tells brokers apart whose streams have one name."""
        return ":".join(part for part in (self.kind, self.name, self.stream) if part)


def parse_address(text: str, source: str, field: str = "address") -> Address:
    """Reads an address. The group is `tropism-SOURCE` unless it is named. `field`: where the address was written.

    Raises:
        SettingInvalid: it is not valid. The error shows no login.

    >>> found = parse_address("redis://:secret@127.0.0.1:6379/0?stream=paid", "payments")
    >>> found.url, found.shown, found.group
    ('redis://:secret@127.0.0.1:6379/0', 'redis://127.0.0.1:6379/0', 'tropism-payments')
    """
    try:
        parts = urlsplit(text.strip())
        hosted = parts.hostname is not None and (parts.port or 1) > 0
    except ValueError:  # several hosts: only Kafka's address has them
        hosted = "," in text
    if not hosted or parts.scheme not in _STREAM:
        raise _refused(field, _without_login(text), f"write it like one of: {', '.join(EXAMPLES.values())}")
    kind = _KINDS.get(parts.scheme, parts.scheme)
    query = parse_qsl(parts.query, keep_blank_values=True)
    options = {key: value for key, value in query if key in _OPTIONS}
    others = [(key, value) for key, value in query if key not in _OPTIONS]
    if others and kind != "redis":
        raise _refused(field, others[0][0], f"leave it out; the options are: {', '.join(_OPTIONS)}")
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(others), ""))
    wanted = _STREAM[parts.scheme]
    if not options.get(wanted):
        raise _refused(field, _without_login(text), f"name the {wanted}, such as {EXAMPLES[kind]}")
    group = options.get("group") or f"tropism-{source}"
    for name, value in (("group", group), ("stream", options[wanted])):
        if kind == "nats" and not _PLAIN.fullmatch(value):
            raise _refused(field, f"{name}={value}", f"a {name} of NATS has no blanks, '.', '*', '>' and slashes")
    return Address(
        kind=kind,
        url=url,
        shown=_without_login(urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))),
        stream=options[wanted],
        group=group,
        subject=options.get("subject", ""),
        name=options.get("name", ""),
        hold=_hold(options.get("hold", "60s"), field),
        field=field,
    )


def login_of(url: str) -> tuple[str, str] | None:
    """Name and password in a URL; None where it has none."""
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    user, _, password = login.partition(":")
    return (unquote(user), unquote(password)) if at else None


def _hold(text: str, field: str) -> float:
    try:
        seconds = parse_duration(text, "hold") / SECOND
    except InvalidInput as error:
        raise _refused(field, f"hold={text}", error.faults[0].fix) from error
    if seconds < 1:
        raise _refused(field, f"hold={text}", "use at least 1s: what is being worked on must not be given to another")
    return seconds


def _without_login(text: str) -> str:
    """The text up to its options, without name and password, wherever in it they were written."""
    scheme, _, rest = text.rpartition("@")[2].partition("?")[0].rpartition("://")
    first, mark, _ = text.partition("://")
    return f"{scheme or first}://{rest}" if mark else rest


def _refused(field: str, value: str, fix: str) -> SettingInvalid:
    return SettingInvalid("the address of a broker is not valid", Fault(field, value, fix))
