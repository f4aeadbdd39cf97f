from __future__ import annotations

import sys

import pytest

from tropism.core.errors import MissingExtra, SettingInvalid
from tropism.storage.notices import open_notices
from tropism.storage.notices.postgres import PostgresNotices
from tropism.storage.notices.redis import RedisNotices


@pytest.mark.parametrize(
    ("url", "member"),
    [
        ("postgresql://me@db/tables", PostgresNotices),
        ("postgres://me@db/tables", PostgresNotices),
        ("postgresql+psycopg://me@db/tables?options=-csearch_path%3Dshop", PostgresNotices),
        ("redis://cache:6379/0", RedisNotices),
        ("rediss://cache:6379/0?channel=shop", RedisNotices),
    ],
)
def test_the_scheme_of_a_url_chooses_the_server(url: str, member: type) -> None:
    made = open_notices(url)
    assert isinstance(made, member)
    made.close()


def test_another_scheme_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingInvalid) as caught:
        open_notices("sqlite:///tables.sqlite")
    assert caught.value.faults[0].field == "notices.url"
    assert "postgresql" in caught.value.faults[0].fix
    assert "redis" in caught.value.faults[0].fix


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(SettingInvalid) as caught:
        RedisNotices("redis://me:secret@cache:port/0")
    assert caught.value.faults[0].field == "notices.url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "url", "extra"), [("psycopg", "postgresql://db/x", "postgres"), ("redis", "redis://cache", "redis")]
)
def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, url: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"tropism\[{extra}\]"):
        open_notices(url)
