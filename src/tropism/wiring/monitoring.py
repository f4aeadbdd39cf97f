"""The parts that watch a project's tasks, and tell people."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tropism.wiring.stores import Stores

if TYPE_CHECKING:
    from tropism.loop.viewing.sources import Sources
    from tropism.loop.watching.rounds import Rounds
    from tropism.loop.watching.watch import Watch
    from tropism.monitoring.alerts.store import AlertStore
    from tropism.monitoring.delivery.rounds import Delivery


class Monitoring(Stores):
    """Stores, and what watches over them."""

    @cached_property
    def watch(self) -> Watch:
        from tropism.loop.watching.watch import Watch
        from tropism.monitoring.watch.store import MonitorStore

        return Watch(self.registry, self.lake, self.cohorts, MonitorStore(self.database))

    @cached_property
    def alerts(self) -> AlertStore:
        from tropism.monitoring.alerts.store import AlertStore

        return AlertStore(self.database)

    @cached_property
    def sources(self) -> Sources:
        """What views of monitoring are made from."""
        from tropism.loop.viewing.sources import Sources

        return Sources(
            registry=self.registry,
            lake=self.lake,
            cohorts=self.cohorts,
            watch=self.watch,
            alerts=self.alerts,
            blobs=self.blobs,
            clock=self.clock,
            prices=self.settings.costs,
        )

    def _rounds(self) -> Rounds:
        """What looks at every task, judges its rules, and lets the data planes tell what was found."""
        from tropism.loop.watching.facts import FactSources
        from tropism.loop.watching.rounds import Rounds

        return Rounds(
            self.registry,
            self.watch,
            self.alerts,
            FactSources(self.lake, self.cohorts, self.settings.costs),
            clock=self.clock,
            real=self.real,
            holder=self.settings.loop.name,
            every=self.settings.loop.watch_every,
            channels=self.settings.alerts.channels,
        )

    @property
    def alerts_key(self) -> bytes:
        """What webhooks are signed with."""
        from tropism.monitoring.delivery.channels import signing_key

        return signing_key(self.settings.alerts, self.settings.folder / "alerts.key")

    @cached_property
    def delivery(self) -> Delivery:
        """What brings alerts to their channels.

        Raises:
            SettingInvalid, MissingExtra: a channel cannot be opened.
        """
        from tropism.monitoring.delivery.channels import open_channels
        from tropism.monitoring.delivery.rounds import Delivery

        settings = self.settings.alerts
        return Delivery(self.database, open_channels(settings, self.alerts_key, self.real), settings, self.real)
