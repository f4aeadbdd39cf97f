"""An Alertmanager configuration to begin with. https://prometheus.io/docs/alerting/latest/configuration/"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tropism.monitoring.prometheus.selectors import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROUTE = """\
# Routes for the rules that Tropism exports. Alerts of no channel go to every one, as they do in Tropism.
route:
  receiver: "tropism"
  group_by: ["alertname", "model"]
"""


def alertmanager(channels: Sequence[str] = (), webhook: str | None = None) -> str:
    """Routes by the channels of rules, to receivers that are to be filled in; `webhook`: where the others go.

    >>> print(alertmanager(webhook="https://example.org/alerts").rpartition("receivers:")[2], end="")
    <BLANKLINE>
      - name: "tropism"
        webhook_configs:
          - url: "https://example.org/alerts"
            send_resolved: true
    """
    others = [name for name in dict.fromkeys(channels) if name != "tropism"]
    lines = [line for name in others for line in _route(name)]
    lines = ["  routes:", *lines] if lines else []
    lines += ["receivers:", '  - name: "tropism"']
    if webhook:
        lines += ["    webhook_configs:", f"      - url: {quoted(webhook)}", "        send_resolved: true"]
    for name in others:
        lines += [f"  - name: {quoted(name)}", "    # webhook_configs, slack_configs, email_configs: as you need"]
    return _ROUTE + "\n".join(lines) + "\n"


def _route(channel: str) -> Iterator[str]:
    """Of alerts that name a channel among theirs, or none."""
    pattern = f"|(.*,)?{re.escape(channel)}(,.*)?"
    matcher = f"channels =~ {quoted(pattern)}".replace("'", "''")
    yield f"    - matchers: ['{matcher}']"
    yield f"      receiver: {quoted(channel)}"
    yield "      continue: true"
