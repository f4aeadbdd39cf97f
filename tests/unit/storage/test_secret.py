from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tropism.core.errors import NotWritable, SettingInvalid
from tropism.storage.secret import project_secret


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.key"
    made = project_secret(path)
    assert project_secret(path) == made
    assert len(made) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert project_secret(tmp_path / "other.key") != made


def test_all_who_ask_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.key"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: project_secret(path), range(64)))
    assert len(found) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["journal.key"]


def test_another_secret_is_not_used_in_silence(tmp_path: Path) -> None:
    (tmp_path / "journal.key").write_bytes(b"short")
    with pytest.raises(SettingInvalid, match="was changed"):
        project_secret(tmp_path / "journal.key")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotWritable) as refused:
        project_secret(tmp_path / "away" / "journal.key")
    assert "away" in refused.value.faults[0].field
