"""Channels made of their addresses, and what is wrong with an address said without showing it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tropism.core.clock import SystemClock
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, MissingExtra, SettingInvalid
from tropism.features.names import name_faults
from tropism.monitoring.delivery.services import Service
from tropism.monitoring.delivery.signature import parse_secret
from tropism.monitoring.delivery.webhook import Webhook
from tropism.storage.secret import project_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tropism.core.clock import Clock
    from tropism.monitoring.delivery.base import Channel
    from tropism.monitoring.settings import AlertSettings

_SERVICES = ("hooks.slack.com", "discord.com", "discordapp.com", "webhook.office.com", "chat.googleapis.com")
"""Hosts whose https:// addresses are no webhooks of ours: they want a body of their own, which Apprise makes."""
_FIX = (
    "write an address such as https://example.org/hook, mailto://user:password@example.org?to=me@example.org or "
    "slack://tokenA/tokenB/tokenC; see https://appriseit.com for others"
)


def signing_key(settings: AlertSettings, path: Path) -> bytes:
    """What webhooks are signed with: the setting, or the project's own in the file `path`, made the first time.

    Raises:
        SettingInvalid: the setting is no secret, or the file holds something else.
        NotWritable: the file cannot be made or read.
    """
    return parse_secret(settings.secret) if settings.secret else project_secret(path)


def open_channels(settings: AlertSettings, key: bytes, clock: Clock) -> Mapping[str, Channel]:
    """A channel for each address.

    Raises:
        SettingInvalid: an address, a name or the timeout is not valid; names each channel, and shows no address.
        MissingExtra: an address needs Apprise, which is not installed.
    """
    timeout = parse_duration(settings.timeout, "alerts.timeout")
    faults: list[Fault] = []
    if timeout == 0:
        faults.append(Fault("alerts.timeout", settings.timeout, "give receivers some time, such as 10s"))
    found: dict[str, Channel] = {}
    for name, address in settings.channels.items():
        try:
            found[name] = _open(name, address, key, timeout, settings.link, clock)
        except SettingInvalid as error:
            faults += error.faults
    if faults:
        raise SettingInvalid("the settings of alerts are not valid", *faults)
    return found


def check_channel(name: str, address: str) -> None:
    """Whether a channel can be opened; sends nothing.

    Raises:
        SettingInvalid, MissingExtra: see `open_channels`.

    >>> check_channel("ops", "https://user:password@example.org/hook")
    >>> check_channel("ops", "https://")
    Traceback (most recent call last):
    tropism.core.errors.SettingInvalid: a channel of alerts is not valid
      alerts.channels.ops: name the host, such as https://example.org/hook
    """
    _open(name, address, b"", 0, "", SystemClock())


def _open(name: str, address: str, key: bytes, timeout: int, link: str, clock: Clock) -> Channel:
    field = f"alerts.channels.{name}"
    faults = name_faults(field, name)
    if faults:
        raise SettingInvalid("a channel of alerts is not valid", *faults)
    if _is_webhook(field, address):
        return Webhook(address, key, timeout, clock)
    try:
        return Service(address, timeout, link)
    except ValueError as error:
        raise _refused(field, _FIX) from error
    except MissingExtra as error:
        raise MissingExtra(f"the channel '{name}' needs the package 'apprise'", *error.faults) from error


def _is_webhook(field: str, address: str) -> bool:
    try:
        parts = urlsplit(address)
        hosted = bool(parts.hostname) and (parts.port or 1) > 0 and not set(address) & set(" \t\r\n")
    except ValueError as error:
        raise _refused(field, "see to its host and its port") from error
    if "://" not in address:
        raise _refused(field, _FIX)
    if parts.scheme not in ("http", "https"):
        return False
    if not hosted:
        raise _refused(field, "name the host, such as https://example.org/hook")
    host = parts.hostname or ""
    return not any(host == known or host.endswith(f".{known}") for known in _SERVICES)


def _refused(field: str, fix: str) -> SettingInvalid:
    return SettingInvalid("a channel of alerts is not valid", Fault(field, "", fix))
