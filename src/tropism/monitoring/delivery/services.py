"""E-mail, chat and paging, through Apprise."""

from __future__ import annotations

import logging
import re
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tropism.core import plugins
from tropism.core.clock import SECOND
from tropism.monitoring.delivery.base import Answer
from tropism.monitoring.delivery.messages import text, title

if TYPE_CHECKING:
    from tropism.monitoring.delivery.base import Notice

_SHOWN = 200
_KINDS = {"critical": "failure", "high": "failure", "medium": "warning", "low": "info"}


class Service:
    """Sends through any service that Apprise knows, by its address.

    A receipt is what the service says at once. Nothing carries the notice's id, so a receipt that is lost means a
    message that comes twice. `timeout`: µs for one message, after which Apprise leaves it to itself.

    Raises:
        MissingExtra: Apprise is not installed.
        ValueError: it does not know the address; the error does not show it.
    """

    def __init__(self, address: str, timeout: int, link: str = "") -> None:
        _quiet()
        apprise = plugins.require("apprise", "alerts")
        asset = apprise.AppriseAsset(
            app_id="Tropism",
            app_desc="Tropism",
            app_url=link,
            image_url_mask="",  # else messages have the reader's program fetch Apprise's pictures
            image_url_logo="",
            allow_templates=False,
            http_redirects=False,
            async_mode=False,
        )
        with warnings.catch_warnings():  # its e-mail needs `imghdr`, which warns until Python 3.13 leaves it out
            warnings.simplefilter("ignore", DeprecationWarning)
            service = apprise.Apprise.instantiate(address, asset=asset)
        if service is None:
            raise ValueError("no service that Apprise knows")
        self._sender = apprise.Apprise(service, asset=asset)
        self._html = "html" in str(service.notify_format).lower()
        self._secrets = _secrets(address)
        self._timeout = timeout
        self._link = link

    def send(self, notice: Notice) -> Answer:
        html = notice.body.get("html") if self._html else None
        result = self._sender.notify(
            body=str(html) if html else text(notice.body, self._link),
            title=title(notice.body),
            notify_type=_kind(notice.body),
            body_format="html" if html else "text",
            timeout=self._timeout / SECOND,
        )
        if result:
            return Answer("delivered")
        said = "; ".join(entry.message for entry in result.logs())
        return Answer("away", self._hidden(said) or "the service did not accept it")

    def _hidden(self, said: str) -> str:
        for secret in self._secrets:
            said = said.replace(secret, "***")
        return said[:_SHOWN]


def _kind(body: dict[str, Any]) -> str:
    """Apprise's type of a message: what PagerDuty and others make of it."""
    if body.get("type") == "alert.resolved":
        return "success"
    return _KINDS.get(str((body.get("alert") or {}).get("severity", "")), "info")


def _secrets(address: str) -> list[str]:
    """Every part of an address that might be a login, longest first."""
    _, _, rest = address.partition("://")
    parts = {part for part in re.split(r"[/@:?&=,;]", rest) if len(part) > 3}
    return sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True)


def _quiet() -> None:
    """Apprise logs addresses that it cannot read. What it says about a message is in its result."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
