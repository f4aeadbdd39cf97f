"""Sends events of OpenLineage to whoever keeps them, such as Marquez."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from tropism.core.errors import Fault, InvalidInput, NotReady
from tropism.registry.feature_plan import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ATTEMPTS = 4
_FIRST_PAUSE = 0.5
_SECONDS = 10.0
_HEADERS = {"content-type": "application/json"}
_ADDRESS = "such as http://localhost:5000/api/v1/lineage"


def send(
    events: Iterable[dict[str, Any]],
    url: str,
    *,
    transport: httpx.BaseTransport | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Posts events one by one, in order. Where the other side is away or too busy, each is tried three times more.

    A name and a password in the URL are sent as HTTP basic authentication.

    Raises:
        InvalidInput: the URL is none, or the other side refuses an event.
        NotReady: it cannot be reached. What was sent before stays sent; sending again changes nothing there.
    """
    address = _address(url)
    with httpx.Client(timeout=_SECONDS, headers=_HEADERS, transport=transport) as client:
        for number, event in enumerate(events):
            _post(client, address, msgspec.json.encode(event), number, pause)


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL("")
    if address.scheme not in ("http", "https") or not address.host:
        fault = Fault("send", repr(masked(url[:200])), f"give an address, {_ADDRESS}")
        raise InvalidInput("events cannot be sent there", fault)
    return address


def _post(client: httpx.Client, address: httpx.URL, body: bytes, number: int, pause: Callable[[float], None]) -> None:
    reason, shown = "", masked(str(address))
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(_FIRST_PAUSE * 2 ** (attempt - 1))
        try:
            reply = client.post(address, content=body)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            continue
        if reply.is_success:
            return
        reason = f"HTTP {reply.status_code} {_line(reply.text)}".strip()
        if reply.status_code not in (408, 425, 429) and reply.status_code < 500:
            fault = Fault("send", shown, f"check the address, {_ADDRESS}, and who may write there")
            raise InvalidInput(f"event {number + 1} was refused: {reason}", fault)
    fix = "see that it is up and try again: what was sent before is not doubled"
    raise NotReady(f"event {number + 1} could not be sent: {reason}", Fault("send", shown, fix))


def _line(text: str) -> str:
    """What a reply says, short and on one line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[:1_000]).split())[:200]
