"""Settings of monitoring."""

from __future__ import annotations

import msgspec


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`channels`: where alerts go: an address by the name that rules use for it. `https://...` is a signed webhook;
    `mailto://...`, `slack://...`, `pagerduty://...` and others go through Apprise. Addresses hold logins: no message
    shows them. `secret`: what webhooks are signed with, as `whsec_` and base64; one of the project's own, made the
    first time, when empty.

    `every`: time between two looks for alerts to send. `timeout`: how long a channel may take to accept one.
    `give_up`: how long one is tried again before it is given up. `link`: base address that is put before the path of
    an alert in messages, such as `https://tropism.example.org`; no link when empty. `report`: time between two health
    reports of each task, to every channel; none when `0`.
    """

    channels: dict[str, str] = {}
    secret: str = ""
    every: str = "1s"
    timeout: str = "10s"
    give_up: str = "3d"
    link: str = ""
    report: str = "7d"
