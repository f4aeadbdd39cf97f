"""All settings, composed. Defaults < `tropism.toml` < environment < command line.

The environment is read here and nowhere else: `TROPISM_<SECTION>_<SETTING>`, such as `TROPISM_HTTP_PORT`.
`docs/settings.md` lists every one.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tropism.core.errors import Fault, SettingInvalid
from tropism.loop.settings import LoopSettings
from tropism.serving.settings import HttpSettings
from tropism.storage.journal.settings import JournalSettings
from tropism.storage.lake.settings import LakeSettings
from tropism.storage.tables.settings import TablesSettings
from tropism.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


class BlobSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url`: where artifacts lie, any `fsspec` URL; a folder of the state folder when empty."""

    url: str = ""


class TimeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`clock`: `system`, or `file` to follow the virtual time that a replay writes into the state folder."""

    clock: Literal["system", "file"] = "system"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every section. `state`: folder that holds all state, relative to the project's folder."""

    project: str = "."
    state: str = ".tropism"
    http: HttpSettings = HttpSettings()
    journal: JournalSettings = JournalSettings()
    tables: TablesSettings = TablesSettings()
    lake: LakeSettings = LakeSettings()
    blobs: BlobSettings = BlobSettings()
    loop: LoopSettings = LoopSettings()
    training: TrainingSettings = TrainingSettings()
    time: TimeSettings = TimeSettings()

    @property
    def folder(self) -> Path:
        """The state folder."""
        return Path(self.project).resolve() / self.state

    @property
    def tables_url(self) -> str:
        return self.tables.url or f"sqlite:///{self.folder / 'tables.sqlite'}"

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
        SettingInvalid: the file does not parse, or a setting is unknown or of the wrong type.

    >>> load_settings(environment={"TROPISM_HTTP_PORT": "9000"}).http.port
    9000
    """
    folder = Path(project)
    values = _from_file(folder / "tropism.toml")
    _merge(values, _from_environment(os.environ if environment is None else environment))
    _merge(values, overrides or {})
    values["project"] = str(folder.resolve())
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`") or "tropism.toml"
        raise SettingInvalid("a setting is not valid", Fault(name, "", f"{reason}; see docs/settings.md")) from error


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise SettingInvalid(f"{path} is not valid TOML", Fault(str(path), "", str(error))) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for section in SECTIONS:
        prefix = f"TROPISM_{section.upper()}_"
        for name, text in environment.items():
            if name.startswith(prefix):
                values.setdefault(section, {})[name.removeprefix(prefix).lower()] = text
    return values


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for section, values in more.items():
        if isinstance(values, dict):
            into.setdefault(section, {}).update(values)
        else:
            into[section] = values
