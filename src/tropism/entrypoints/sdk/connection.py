"""What both clients ask of httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import httpx

from tropism.core.errors import Fault, SettingInvalid
from tropism.entrypoints.sdk.exchange import Lost, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_URL = "http://127.0.0.1:8700"
TIMEOUT = 10.0
RETRIES = 3
BATCH = 1_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Options(TypedDict):
    base_url: httpx.URL
    timeout: float
    trust_env: bool
    headers: Mapping[str, str]


def options(base_url: str, timeout: float) -> Options:
    """Settings of an httpx client.

    Raises:
        SettingInvalid: the address is not a URL.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise _invalid(base_url) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise _invalid(base_url)
    # A proxy of the environment must not come between two processes of one machine.
    headers = {"content-type": "application/json"}
    return Options(base_url=url, timeout=timeout, trust_env=url.host not in _LOOPBACK, headers=headers)


def reply(response: httpx.Response) -> Reply:
    """What came back."""
    return Reply(response.status_code, response.content, response.headers.get("retry-after", ""))


def lost(url: httpx.URL, error: httpx.TransportError) -> Lost:
    """Why nothing came back."""
    return Lost(f"{url}: {error or type(error).__name__}")


def _invalid(base_url: str) -> SettingInvalid:
    fault = Fault("base_url", repr(base_url), f"use a URL such as {DEFAULT_URL}")
    return SettingInvalid("the address is not a URL", fault)
