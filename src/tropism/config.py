"""All settings, composed. Defaults < `tropism.toml` < environment < command line.

Settings are read from the environment here and nowhere else: `TROPISM_<SECTION>_<SETTING>`, such as
`TROPISM_HTTP_PORT`, a few names that are common, such as `ML_MODEL_CACHE_SIZE`, `TROPISM_STREAM_<STREAM>` and
`TROPISM_ALERTS_CHANNEL_<CHANNEL>`.
`docs/settings.md` lists every one.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput, SettingInvalid
from tropism.features.brokers import EXAMPLES, parse_address
from tropism.features.names import name_faults
from tropism.features.settings import FeatureSettings
from tropism.loop.settings import LoopSettings
from tropism.monitoring.costs import CostSettings
from tropism.monitoring.settings import AlertSettings
from tropism.serving.settings import HttpSettings
from tropism.storage.journal.settings import JournalSettings
from tropism.storage.lake.settings import LakeSettings
from tropism.storage.notices.settings import NoticesSettings
from tropism.storage.tables.settings import TablesSettings
from tropism.training.runs.opening import also_names
from tropism.training.runs.settings import TrackingSettings
from tropism.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


class BlobSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url`: where artifacts lie, any `fsspec` URL; a folder of the state folder when empty."""

    url: str = ""


class TimeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`clock`: `system`, or `file` to follow the virtual time that a replay writes into the state folder."""

    clock: Literal["system", "file"] = "system"


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`format`: `text` for people, or `json`, one object a line, for a collector. `level`: the least that is logged."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every section. `state`: folder that holds all state, relative to the project's folder."""

    project: str = "."
    state: str = ".tropism"
    http: HttpSettings = HttpSettings()
    journal: JournalSettings = JournalSettings()
    tables: TablesSettings = TablesSettings()
    lake: LakeSettings = LakeSettings()
    blobs: BlobSettings = BlobSettings()
    notices: NoticesSettings = NoticesSettings()
    loop: LoopSettings = LoopSettings()
    training: TrainingSettings = TrainingSettings()
    tracking: TrackingSettings = TrackingSettings()
    features: FeatureSettings = FeatureSettings()
    alerts: AlertSettings = AlertSettings()
    costs: CostSettings = CostSettings()
    logs: LogSettings = LogSettings()
    time: TimeSettings = TimeSettings()

    @property
    def folder(self) -> Path:
        """The state folder."""
        return Path(self.project).resolve() / self.state

    @property
    def tables_url(self) -> str:
        return self.tables.url or f"sqlite:///{self.folder / 'tables.sqlite'}"

    @property
    def notices_url(self) -> str:
        """Where notices come from; empty where nobody sends any."""
        return self.notices.url or (self.tables.url if self.tables.url.startswith("postgres") else "")

    @property
    def blobs_url(self) -> str:
        return self.blobs.url or str(self.folder / "blobs")


SECTIONS = tuple(field.name for field in msgspec.structs.fields(Settings) if isinstance(field.default, msgspec.Struct))


def load_settings(
    project: Path | str = ".",
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settings of the project in a folder.

    Raises:
        SettingInvalid: the file does not parse, or a setting is unknown, of the wrong type or out of range.

    >>> load_settings(environment={"TROPISM_HTTP_PORT": "9000"}).http.port
    9000
    """
    folder = Path(project)
    values = _from_file(folder / "tropism.toml")
    _require_sections(values)
    _merge(values, _from_environment(os.environ if environment is None else environment))
    _merge(values, overrides or {})
    values["project"] = str(folder.resolve())
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingInvalid("a setting is not valid", _fault(str(error), values)) from error
    faults = [*_duration_faults(settings), *_count_faults(settings), *_stream_faults(settings)]
    faults += _tracking_faults(settings)
    if faults:
        raise SettingInvalid("a setting is not valid", *faults)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise SettingInvalid(f"{path} is not valid TOML", Fault(str(path), "", str(error))) from error
    except UnicodeDecodeError as error:
        raise SettingInvalid(f"{path} is not text", Fault(str(path), "", "save it as UTF-8")) from error
    except OSError as error:
        fault = Fault(str(path), error.strerror or "", "make it a file that you may read")
        raise SettingInvalid(f"{path} cannot be read", fault) from error


def _require_sections(values: Mapping[str, Any]) -> None:
    for section in SECTIONS:
        if not isinstance(values.get(section, {}), dict):
            fix = f"write a section: [{section}]; see docs/settings.md"
            raise SettingInvalid("a setting is not valid", Fault(section, repr(values[section]), fix))


_COMMON = {
    "ML_MODEL_CACHE_SIZE": ("http", "model_cache"),
    "ENABLE_GPU": ("http", "enable_gpu"),
    "MLFLOW_TRACKING_URI": ("tracking", "mlflow_url"),
}
"""Names that deployments set for any server of models. Our own name of the same setting overrules them."""
_STREAM = "TROPISM_STREAM_"
"""What the environment's name of a stream's broker begins with."""
_CHANNEL = "TROPISM_ALERTS_CHANNEL_"
"""What the environment's name of a channel for alerts begins with."""


def _from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for name, (section, setting) in _COMMON.items():
        if environment.get(name):
            values.setdefault(section, {})[setting] = environment[name]
    named = {name: text for name, text in environment.items() if name.startswith(_STREAM) and text}
    if named:
        values["features"] = {"streams": {name.removeprefix(_STREAM).lower(): named[name] for name in named}}
    channels = {
        name.removeprefix(_CHANNEL).lower(): text for name, text in environment.items() if name.startswith(_CHANNEL)
    }
    if any(channels.values()):
        values["alerts"] = {"channels": {name: text for name, text in channels.items() if text}}
    for section in SECTIONS:
        prefix = f"TROPISM_{section.upper()}_"
        for name, text in environment.items():
            if name.startswith(prefix) and not name.startswith(_CHANNEL):
                values.setdefault(section, {})[name.removeprefix(prefix).lower()] = text
    return values


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.setdefault(name, {}), dict):
            _merge(into[name], value)
        else:
            into[name] = value


_TYPES = {"int": "a whole number", "str": "text in quotes", "bool": "true or false", "float": "a number"}


def _fault(text: str, values: Mapping[str, Any]) -> Fault:
    """What `msgspec` found wrong, with the value and the nearest thing that would be right."""
    reason, _, where = text.partition(" - at `$.")
    name = where.rstrip("`")
    unknown = re.search(r"unknown field `(.+?)`", reason)
    if unknown is not None:
        struct = type(getattr(Settings(), name)) if name else Settings
        full = f"{name}.{unknown[1]}" if name else unknown[1]
        return Fault(full, "", f"there is no such setting; {_nearest(unknown[1], struct.__struct_fields__)}")
    if name.startswith(("features.streams", "alerts.channels")):
        section, _, setting = name.split("[")[0].partition(".")
        return _shape_fault(f"{section}.{setting}", values[section][setting])
    section, _, setting = name.partition(".")
    value = values.get(section, {})
    value = value.get(setting) if setting else value
    return Fault(name, repr(value), f"{_wanted(section, setting, reason)}; see docs/settings.md")


def _shape_fault(setting: str, addresses: object) -> Fault:
    """What keeps addresses by name from being read. No value is shown: addresses hold logins."""
    example = EXAMPLES["redis"] if setting == "features.streams" else "https://example.org/hook"
    given = addresses if isinstance(addresses, dict) else {}
    for name in (name for name, address in given.items() if not isinstance(address, str)):
        return Fault(f"{setting}.{name}", "", f"use an address in quotes, such as '{example}'")
    fix = f"write a section [{setting}] with an address for each name; see docs/settings.md"
    return Fault(setting, "", fix)


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(known)}"


def _wanted(section: str, setting: str, reason: str) -> str:
    if "enum" in reason:
        allowed = get_args(get_type_hints(type(getattr(Settings(), section)))[setting])
        return f"use one of: {', '.join(allowed)}"
    expected = re.search(r"Expected `(\w+)`", reason)
    return f"use {_TYPES.get(expected[1], expected[1])}" if expected else reason


def _duration_faults(settings: Settings) -> list[Fault]:
    """Settings whose default is a duration must hold one."""
    faults: list[Fault] = []
    for section in SECTIONS:
        values, defaults = getattr(settings, section), getattr(Settings(), section)
        for name in defaults.__struct_fields__:
            if _is_duration(getattr(defaults, name)):
                try:
                    parse_duration(getattr(values, name), f"{section}.{name}")
                except InvalidInput as error:
                    faults += error.faults
    return faults


def _is_duration(value: object) -> bool:
    try:
        return isinstance(value, str) and parse_duration(value) >= 0
    except InvalidInput:
        return False


_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LEAST = {
    ("loop", "threads"): 1,
    ("training", "memory_mb"): 1_024,
    ("training", "attempts"): 1,
    ("features", "memory_mb"): 64,
    ("features", "stream_batch"): 1,
}


def _count_faults(settings: Settings) -> list[Fault]:
    return [
        Fault(f"{section}.{name}", str(getattr(getattr(settings, section), name)), f"use at least {least}")
        for (section, name), least in _LEAST.items()
        if getattr(getattr(settings, section), name) < least
    ]


def _tracking_faults(settings: Settings) -> list[Fault]:
    """Runs are written to places that there are, and MLflow's has an address."""
    try:
        names = also_names(settings.tracking.also)
    except SettingInvalid as error:
        return list(error.faults)
    if "mlflow" in names and not settings.tracking.mlflow_url:
        return [Fault("tracking.mlflow_url", "", "name the other MLflow, such as http://127.0.0.1:5000")]
    if "mlflow" in names and _is_here(settings.tracking.mlflow_url, settings.http):
        fix = "name another MLflow: this project's own store has every run already"
        return [Fault("tracking.mlflow_url", settings.tracking.mlflow_url, fix)]
    return []


def _is_here(url: str, http: HttpSettings) -> bool:
    """Whether an address is that of this very project, as far as can be told without asking it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return False
    own = {(http.host, http.port), (http.control_host, http.control_port)}
    return (host, port) in own or (host in _LOOPBACK and port in {http.port, http.control_port})


def _stream_faults(settings: Settings) -> list[Fault]:
    """Each stream has a name that a stream may have, and an address that can be read."""
    faults: list[Fault] = []
    for source, address in settings.features.streams.items():
        field = f"features.streams.{source}"
        faults += name_faults(field, source)
        try:
            parse_address(address, source, field)
        except SettingInvalid as error:
            faults += error.faults
    return faults
