from __future__ import annotations

from pathlib import Path

import pytest

from tropism.core.errors import NotWritable, SettingInvalid
from tropism.features.online.opening import open_online


def test_a_url_says_which_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'online.sqlite'}"
    first = open_online(url)
    first.write("view@1", ["a"], [bytes(17)])
    first.close()
    again = open_online(url)
    assert again.read([("view@1", ["a"])]) == [[bytes(17)]]
    again.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0", "unix:///tmp/none.sock"])
def test_redis_is_not_asked_before_something_is_read(url: str) -> None:
    store = open_online(url)
    assert store.remote
    store.close()


@pytest.mark.parametrize("url", ["nonsense://here", "here", "redis", "://", "postgresql://u:secret@db/x"])
def test_what_is_no_store_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        open_online(url)
    (fault,) = caught.value.faults
    assert fault.field == "features.online"
    assert "sqlite://" in fault.fix
    assert "secret" not in f"{caught.value}{fault}"


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable):
        open_online(f"sqlite:///{tmp_path / 'file' / 'online.sqlite'}")
