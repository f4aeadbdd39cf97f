"""Signatures of webhooks, after the Standard Webhooks specification, 1.0.0 (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Protocol

from tropism.core.errors import Fault, InvalidInput, SettingInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX = "whsec_"
_LEAST, _MOST = 24, 64  # bytes, by the specification


class Headers(Protocol):
    """Headers of a request, as any web framework has them."""

    def items(self) -> Iterable[tuple[str, str]]: ...


def parse_secret(text: str, field: str = "alerts.secret") -> bytes:
    """The bytes of a secret that is written as `whsec_` and base64.

    Raises:
        SettingInvalid: it is not; the error does not show it.

    >>> parse_secret(format_secret(bytes(32))) == bytes(32)
    True
    """
    fix = f"write {_PREFIX} and {_LEAST} to {_MOST} random bytes in base64, as `openssl rand -base64 32` makes them"
    try:
        key = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST <= len(key) <= _MOST:
        raise SettingInvalid("the secret of webhooks is not valid", Fault(field, "", fix))
    return key


def format_secret(key: bytes) -> str:
    """A secret as receivers are told it.

    >>> format_secret(bytes(3))
    'whsec_AAAA'
    """
    return _PREFIX + base64.b64encode(key).decode()


def sign(identifier: str, seconds: int, body: bytes, key: bytes) -> str:
    """The header `webhook-signature` of a body that is sent at `seconds` since the epoch.

    >>> sign("msg_1", 1_614_265_330, b"{}", bytes(32))
    'v1,ONjOH+g8tKQOwBW/l2Ew8DI7ahP5iygTrq4r12BiJXg='
    """
    signed = f"{identifier}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def verify(headers: Headers, body: bytes, secret: str, *, tolerance: float = 300.0, now: float | None = None) -> str:
    """The id of a webhook that Tropism sent, for its receiver to call; the id of one that comes again is the same.

    `headers`: of the request, in any case. `body`: as it was received, before any parsing. `secret`: `whsec_...`, as
    the sender shows it. `tolerance`: seconds by which the sender's clock may differ; older requests are refused, as
    somebody may have recorded them. `now`: seconds since the epoch; the system's clock when left out.

    Raises:
        InvalidInput: a header is missing, the request is too old, or nobody who knows the secret signed it.
        SettingInvalid: the secret is none.

    >>> secret, body = format_secret(bytes(32)), b'{"type": "alert.fired"}'
    >>> headers = {
    ...     "Webhook-Id": "42",
    ...     "Webhook-Timestamp": "1700000000",
    ...     "Webhook-Signature": sign("42", 1_700_000_000, body, bytes(32)),
    ... }
    >>> verify(headers, body, secret, now=1_700_000_001)
    '42'
    >>> verify(headers, b"something else", secret, now=1_700_000_001)
    Traceback (most recent call last):
    tropism.core.errors.InvalidInput: the webhook was not signed with this secret
      webhook-signature: refuse the request
    """
    key = parse_secret(secret, "secret")
    found = {name.lower(): value for name, value in headers.items()}
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    missing = [Fault(name, "", "send it") for name in names if not found.get(name)]
    if missing:
        raise InvalidInput("this is no signed webhook", *missing)
    identifier, sent, signatures = (found[name] for name in names)
    if not sent.isascii() or not sent.isdigit():
        raise InvalidInput("the time of the webhook is not valid", Fault(names[1], sent[:40], "send seconds"))
    if abs((time.time() if now is None else now) - int(sent)) > tolerance:
        fix = "refuse the request, or see to the clocks of both sides"
        raise InvalidInput("the webhook is too old, or of the future", Fault(names[1], sent[:40], fix))
    expected = sign(identifier, int(sent), body, key).encode()
    if not any(hmac.compare_digest(expected, one.encode()) for one in signatures.split()):
        raise InvalidInput("the webhook was not signed with this secret", Fault(names[2], "", "refuse the request"))
    return identifier
