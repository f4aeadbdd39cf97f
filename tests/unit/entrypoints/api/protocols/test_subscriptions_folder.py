from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tropism.core.errors import NotWritable
from tropism.entrypoints.api.protocols.subscriptions_folder import private


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path, which is also where temporary files go."""
    made = Path(tempfile.mkdtemp(prefix="tropism-"))
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    yield made
    shutil.rmtree(made)


def test_it_is_made_for_its_user_alone(short: Path) -> None:
    folder = private(short / "state" / "workers")
    assert folder == short / "state" / "workers"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private(folder) == folder


def test_a_path_that_is_too_long_for_a_socket_is_replaced(short: Path) -> None:
    long = short / ("x" * 100)
    folder = private(long)
    assert folder.parent == short
    assert len(os.fsencode(folder)) < 80
    assert private(long) == folder, "the same for every worker"
    assert private(short / ("y" * 100)) != folder


def test_a_folder_that_others_may_enter_is_refused(short: Path) -> None:
    folder = short / "workers"
    folder.mkdir(mode=0o700)
    folder.chmod(0o755)
    with pytest.raises(NotWritable) as caught:
        private(folder)
    assert "chmod 700" in caught.value.faults[0].fix


def test_what_is_no_folder_is_refused(short: Path) -> None:
    (short / "file").write_text("")
    (short / "link").symlink_to(short)
    for name in ("file", "link", "file/below"):
        with pytest.raises(NotWritable):
            private(short / name)
