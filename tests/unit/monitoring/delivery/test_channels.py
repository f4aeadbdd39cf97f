"""Which addresses are channels; what is wrong is said without showing them."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from tropism.core.clock import ManualClock
from tropism.core.errors import MissingExtra, SettingInvalid
from tropism.monitoring.delivery.channels import check_channel, open_channels, signing_key
from tropism.monitoring.delivery.services import Service
from tropism.monitoring.delivery.signature import format_secret
from tropism.monitoring.delivery.webhook import Webhook
from tropism.monitoring.settings import AlertSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a program writes that logs everything. (`caplog` would read loggers that pass nothing on, too.)"""
    root, written = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(written), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)


def test_addresses_become_channels() -> None:
    pytest.importorskip("apprise")
    channels = {
        "ops": "https://me:pass@example.org/hook",
        "mail": "mailto://me:pass@example.org?to=you@example.org",
        "slack": SLACK,
    }
    opened = open_channels(AlertSettings(channels=channels), b"", ManualClock())
    kinds = {name: type(channel) for name, channel in opened.items()}
    assert kinds == {"ops": Webhook, "mail": Service, "slack": Service}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "hunter2",
        "http://",
        "https://:hunter2@/x",
        "http://[hunter2",
        "http://example.org:hunter2/",
        "http://example.org/a hunter2",
        "nonsense://hunter2",
        "slack://hunter2",
        "mailto://",
    ],
)
def test_a_bad_address_is_refused_by_name_and_never_shown(address: str, log: io.StringIO) -> None:
    pytest.importorskip("apprise")
    with pytest.raises(SettingInvalid) as caught:
        check_channel("ops", address)
    assert [fault.field for fault in caught.value.faults] == ["alerts.channels.ops"]
    assert "hunter2" not in str(caught.value) + log.getvalue()


def test_every_bad_channel_is_told_at_once() -> None:
    settings = AlertSettings(channels={"a": "http://", "B!": "http://example.org", "c": "http://example.org"})
    with pytest.raises(SettingInvalid) as caught:
        open_channels(settings, b"", ManualClock())
    assert [fault.field for fault in caught.value.faults] == ["alerts.channels.a", "alerts.channels.B!"]


def test_receivers_must_be_given_time() -> None:
    with pytest.raises(SettingInvalid) as caught:
        open_channels(AlertSettings(timeout="0"), b"", ManualClock())
    assert [fault.field for fault in caught.value.faults] == ["alerts.timeout"]


def test_without_apprise_webhooks_work_and_others_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    check_channel("ops", "http://example.org/hook")
    with pytest.raises(MissingExtra, match="the channel 'mail'") as caught:
        check_channel("mail", "mailto://me:hunter2@example.org")
    assert "tropism[alerts]" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_project_has_a_secret_of_its_own_unless_one_is_set(tmp_path: Path) -> None:
    made = signing_key(AlertSettings(), tmp_path / "alerts.key")
    assert made == signing_key(AlertSettings(), tmp_path / "alerts.key") != bytes(32)
    assert signing_key(AlertSettings(secret=format_secret(bytes(32))), tmp_path / "none") == bytes(32)
