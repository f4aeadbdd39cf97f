"""The parts that watch a project's tasks, and tell people."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tropism.wiring.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.loop.viewing.sources import Sources
    from tropism.loop.watching.rounds import Rounds, Told
    from tropism.loop.watching.watch import Watch
    from tropism.monitoring.alerts.alert import Alert
    from tropism.monitoring.alerts.store import AlertStore
    from tropism.monitoring.delivery.rounds import Delivery
    from tropism.monitoring.watch.reports import Report
    from tropism.monitoring.watch.store import MonitorStore

_MOST_ALERTS = 10_000


class Monitoring(Stores):
    """Stores, and what watches over them."""

    @cached_property
    def watch(self) -> Watch:
        from tropism.loop.watching.watch import Watch

        return Watch(self.registry, self.lake, self.cohorts, self._monitors)

    @cached_property
    def _monitors(self) -> MonitorStore:
        from tropism.monitoring.watch.store import MonitorStore

        return MonitorStore(self.database)

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
            kept=self._monitors,
        )

    def _rounds(self) -> Rounds:
        """What looks at every task, judges its rules, and lets the data planes tell what was found."""
        from tropism.loop.watching.estimators import Estimators
        from tropism.loop.watching.facts import FactSources
        from tropism.loop.watching.reports import Reports
        from tropism.loop.watching.rounds import Rounds
        from tropism.monitoring.watch.reports import ReportStore

        estimators = Estimators(self.registry, self.cohorts, self.blobs, self._monitors)
        alerts = self.settings.alerts
        return Rounds(
            self.registry,
            self.watch,
            self.alerts,
            FactSources(self.lake, self.cohorts, self.settings.costs, estimators),
            clock=self.clock,
            real=self.real,
            holder=self.settings.loop.name,
            every=self.settings.loop.watch_every,
            channels=alerts.channels,
            publish=self._publish,
            report=Reports(
                self.registry,
                ReportStore(self.database),
                self._report,
                every=alerts.report,
                channels=alerts.channels,
                real=self.real,
            ),
        )

    def _publish(self, told: Mapping[str, Told]) -> None:
        """Lets the data planes tell what is known of tasks, and which alerts are open."""
        from tropism.monitoring.prometheus import Known, gauges
        from tropism.serving.meter_files import publish

        alerts: dict[str, list[Alert]] = {}
        for alert in self.alerts.list(state="open", limit=_MOST_ALERTS):
            alerts.setdefault(alert.task, []).append(alert)
        known = {
            task: Known(
                version=one.version, facts=one.facts, alerts=tuple(alerts.get(task, ())), rules=one.rules, at=one.at
            )
            for task, one in told.items()
        }
        publish(self.settings.folder / "run", "worker", gauges(known))

    def _report(self, task: str, days: int) -> Report:
        """The health report of a task, as it is sent."""
        from tropism.loop.viewing.health import health
        from tropism.monitoring.health import page, text
        from tropism.monitoring.watch.reports import Report

        found = health(self.sources, task, days=days)
        written = text(found)
        return Report(title=written.partition("\n")[0], text=written, html=page(found))

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
