"""Webhooks of our own: a signed POST that its receiver can check, and drop when it comes again."""

from __future__ import annotations

import asyncio
import email.utils
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import SECOND, from_datetime
from tropism.core.durations import format_duration
from tropism.monitoring.delivery.base import Answer
from tropism.monitoring.delivery.signature import sign

if TYPE_CHECKING:
    import ssl

    from tropism.core.clock import Clock
    from tropism.monitoring.delivery.base import Notice

_BUSY = (408, 425, 429)
_GONE = 410
MOST_ASKED = 3_600 * SECOND
"""µs of a receiver's Retry-After that are honoured."""


class Webhook:
    """Sends to an `http://` or `https://` address. Its body is the notice's, as it is stored.

    `timeout`: µs for the whole of it, however slowly the receiver sends. Any answer from 200 to 299 is a receipt;
    redirects are not followed.
    """

    def __init__(self, address: str, key: bytes, timeout: int, clock: Clock) -> None:
        self._address = address
        self._key = key
        self._timeout = timeout
        self._clock = clock

    def send(self, notice: Notice) -> Answer:
        import httpx

        content = msgspec.json.encode(notice.body)
        now = self._clock.now()
        seconds = now // SECOND
        headers = {
            "content-type": "application/json",
            "user-agent": "tropism",
            "webhook-id": notice.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(notice.id, seconds, content, self._key),
        }
        try:
            status, retry_after = asyncio.run(self._post(content, headers))
        except (TimeoutError, httpx.TimeoutException):
            return Answer("away", f"no answer within {format_duration(self._timeout)}")
        except (httpx.HTTPError, OSError) as error:
            return Answer("away", f"no connection, or one that broke: {type(error).__name__}")
        return judge(status, asked(retry_after, now))

    async def _post(self, content: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Status and Retry-After; the body is not read, as nothing in it changes what was received."""
        import httpx

        secure: ssl.SSLContext | bool = _context() if self._address.lower().startswith("https:") else False
        async with asyncio.timeout(self._timeout / SECOND):
            client = httpx.AsyncClient(timeout=self._timeout / SECOND, verify=secure)
            async with client, client.stream("POST", self._address, content=content, headers=headers) as response:
                return response.status_code, response.headers.get("retry-after", "")


def judge(status: int, wait: int = 0) -> Answer:
    """What an HTTP status says about a notice.

    >>> judge(204).kind, judge(410).kind, judge(503, 5).kind, judge(404).reason
    ('delivered', 'gone', 'away', 'it answered 404')
    """
    reason = f"it answered {status}"
    if 200 <= status < 300:
        return Answer("delivered")
    if status == _GONE:
        return Answer("gone", reason)
    return Answer("away" if status in _BUSY or status >= 500 else "refused", reason, wait)


def asked(retry_after: str, now: int) -> int:
    """µs to wait by a header Retry-After, which holds seconds or a date; at most an hour, 0 where it holds neither.

    >>> asked("30", 0) // SECOND, asked("Thu, 01 Jan 1970 00:01:00 GMT", 0) // SECOND, asked("soon", 0)
    (30, 60, 0)
    """
    if retry_after.isascii() and retry_after.isdigit():
        return min(int(retry_after[:9]) * SECOND, MOST_ASKED)
    try:
        until = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return 0
    return min(max(from_datetime(until) - now, 0), MOST_ASKED)


@cache
def _context() -> ssl.SSLContext:
    """Made once: reading the authorities' certificates takes tens of milliseconds."""
    import httpx

    return httpx.create_ssl_context()
