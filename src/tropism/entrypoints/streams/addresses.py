"""Where the events of a source come from: as a command was told, or as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault, SettingInvalid
from tropism.features.brokers import EXAMPLES, Address, parse_address

if TYPE_CHECKING:
    from tropism.features.settings import FeatureSettings

OPTION = "--from"


def setting(source: str) -> str:
    """The setting with the address of a source.

    >>> setting("payments")
    'features.streams.payments'
    """
    return f"features.streams.{source}"


def address_of(source: str, given: str | None, settings: FeatureSettings) -> Address:
    """Of a source: the one given, or else that of the settings.

    Raises:
        SettingInvalid: there is none, or it is not valid.
    """
    if given:
        return parse_address(given, source, OPTION)
    if source in settings.streams:
        return parse_address(settings.streams[source], source, setting(source))
    fix = f"set it, such as '{EXAMPLES['redis']}', or TROPISM_STREAM_{source.upper()}, or name the broker: {OPTION}"
    raise SettingInvalid(f"it is not known where the events of '{source}' come from", Fault(setting(source), "", fix))
