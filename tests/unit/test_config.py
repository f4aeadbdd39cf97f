from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tropism.config import SECTIONS, Settings, load_settings
from tropism.core.errors import SettingInvalid


def load(
    folder: Path,
    text: str | None = None,
    environment: dict[str, str] | None = None,
    overrides: dict[str, dict[str, Any]] | None = None,
) -> Settings:
    if text is not None:
        (folder / "tropism.toml").write_text(text)
    return load_settings(folder, overrides, environment or {})


def test_a_folder_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert msgspec.structs.replace(settings, project=".") == Settings()
    assert settings.folder == tmp_path.resolve() / ".tropism"
    assert settings.tables_url == f"sqlite:///{settings.folder}/tables.sqlite"
    assert settings.blobs_url == f"{settings.folder}/blobs"


def test_the_later_source_wins(tmp_path: Path) -> None:
    text = '[http]\nport = 1000\ncontrol_port = 1001\nmax_rows = 10\n[journal]\nfsync = "os"\n'
    environment = {"TROPISM_HTTP_PORT": "2000", "TROPISM_HTTP_CONTROL_PORT": "2001", "TROPISM_LOOP_AUTOMATIC": "false"}
    settings = load(tmp_path, text, environment, {"http": {"port": 3000}})
    assert (settings.http.port, settings.http.control_port, settings.http.max_rows) == (3000, 2001, 10)
    assert settings.journal.fsync == "os"
    assert settings.loop.automatic is False
    assert settings.lake == Settings().lake


def test_the_environment_of_others_does_not_matter(tmp_path: Path) -> None:
    assert load(tmp_path, environment={"TROPISM_TEST_POSTGRES": "x", "HTTP_PORT": "1", "PORT": "2"}) == load(tmp_path)


def test_the_real_environment_is_read_without_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROPISM_HTTP_PORT", "4321")
    assert load_settings(tmp_path).http.port == 4321


def test_state_and_urls_can_lie_elsewhere(tmp_path: Path) -> None:
    text = 'state = "data"\n[tables]\nurl = "postgresql://host/name"\n[blobs]\nurl = "s3://bucket"\n'
    settings = load(tmp_path, text)
    assert settings.folder == tmp_path.resolve() / "data"
    assert (settings.tables_url, settings.blobs_url) == ("postgresql://host/name", "s3://bucket")


def test_settings_travel_between_processes_as_json(tmp_path: Path) -> None:
    settings = load(tmp_path, "[http]\nport = 1000\n")
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


@pytest.mark.parametrize(
    ("text", "field", "value", "fix"),
    [
        ("[http]\nprt = 5\n", "http.prt", "", "did you mean 'port'?"),
        ("[htp]\nport = 5\n", "htp", "", "did you mean 'http'?"),
        ("[zzz]\n", "zzz", "", "use one of: .*http"),
        ("http = 5\n", "http", "5", r"write a section: \[http\]"),
        ("[http]\nport = 'x'\n", "http.port", "'x'", "use a whole number"),
        ("[http]\nhost = 5\n", "http.host", "5", "use text in quotes"),
        ("[loop]\nautomatic = 'maybe'\n", "loop.automatic", "'maybe'", "use true or false"),
        ("[http]\nport = 0\n", "http.port", "0", "from 1 to 65535"),
        ("[http]\npoll = '5 parsecs'\n", "http.poll", "'5 parsecs'", "90s"),
        ("[journal]\nfsync = 'never'\n", "journal.fsync", "'never'", "use one of: group, os"),
        ("[loop]\nlease = 'long'\n", "loop.lease", "'long'", "90s"),
        ("[loop]\nthreads = 0\n", "loop.threads", "0", "at least 1"),
        ("[tables]\nwait = '30'\n", "tables.wait", "'30'", "90s"),
        ("[training]\ntimeout = 'long'\n", "training.timeout", "'long'", "90s"),
        ("[training]\nmemory_mb = 10\n", "training.memory_mb", "10", "at least"),
        ("[training]\nattempts = 0\n", "training.attempts", "0", "at least 1"),
        ("state = 5\n", "state", "5", "text in quotes"),
        ("[features]\nstream_batch = 0\n", "features.stream_batch", "0", "at least 1"),
        ("[features]\nstream_wait = 'long'\n", "features.stream_wait", "'long'", "90s"),
        ("[features]\nstreams = 'redis://:pw@h?stream=s'\n", "features.streams", "", r"a section \[features.streams\]"),
        ("[features.streams]\npaid = ['redis://:pw@h']\n", "features.streams.paid", "", "an address in quotes"),
        ("[features.streams]\npaid = 'redis://:pw@h'\n", "features.streams.paid", "redis://h", "name the stream"),
        ("[features.streams]\npaid = ''\n", "features.streams.paid", "", "write it like"),
        ("[features.streams]\nPaid = 'redis://h?stream=s'\n", "features.streams.Paid", "'Paid'", "a-z"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(tmp_path: Path, text: str, field: str, value: str, fix: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        load(tmp_path, text)
    (fault,) = refused.value.faults
    assert (fault.field, fault.value) == (field, value)
    assert re.search(fix, fault.fix)


def test_a_wrong_setting_of_the_environment_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid) as refused:
        load(tmp_path, environment={"TROPISM_HTTP_PORT": "abc"})
    assert [(fault.field, fault.value) for fault in refused.value.faults] == [("http.port", "'abc'")]
    with pytest.raises(SettingInvalid, match="did you mean 'port'"):
        load(tmp_path, environment={"TROPISM_HTTP_PRT": "5"})


def test_streams_of_the_file_and_of_the_environment_are_put_together(tmp_path: Path) -> None:
    text = '[features.streams]\npaid = "redis://h?stream=a"\nclicks = "redis://h?stream=b"\n'
    environment = {
        "TROPISM_STREAM_PAID": "redis://h?stream=c",
        "TROPISM_STREAM_CARD_TAPS": "redis://h?stream=d",
        "TROPISM_STREAM_CLICKS": "",
        "TROPISM_FEATURES_STREAM_BATCH": "7",
    }
    features = load(tmp_path, text, environment).features
    assert {source: address[-1] for source, address in features.streams.items()} == {
        "paid": "c",
        "clicks": "b",
        "card_taps": "d",
    }
    assert features.stream_batch == 7
    with pytest.raises(SettingInvalid) as refused:
        load(tmp_path, text, {"TROPISM_STREAM_PAID": "redis://:secret@h"})
    assert [fault.field for fault in refused.value.faults] == ["features.streams.paid"]
    assert "secret" not in str(refused.value)


def test_a_file_that_sets_a_section_to_a_number_is_refused_with_an_environment_too(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="write a section"):
        load(tmp_path, "http = 5\n", {"TROPISM_HTTP_PORT": "5"})


@pytest.mark.parametrize("content", [b"[http\n", b"\xff\xfe", b"port = \n"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tropism.toml").write_bytes(content)
    with pytest.raises(SettingInvalid, match=r"tropism\.toml"):
        load(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "tropism.toml").mkdir()
    with pytest.raises(SettingInvalid, match=r"tropism\.toml cannot be read"):
        load(tmp_path)


def test_a_line_that_does_not_parse_is_named_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="line 2"):
        load(tmp_path, "[http]\nport =\n")


def test_every_section_is_one_the_environment_can_reach() -> None:
    assert set(SECTIONS) == {
        "http",
        "journal",
        "tables",
        "lake",
        "blobs",
        "loop",
        "logs",
        "notices",
        "training",
        "time",
        "features",
        "alerts",
        "costs",
        "tracking",
    }


def test_the_common_name_of_the_model_cache_is_honoured_and_ours_comes_first(tmp_path: Path) -> None:
    common = {"ML_MODEL_CACHE_SIZE": "7"}
    assert load(tmp_path).http.model_cache == 100
    assert load(tmp_path, environment=common).http.model_cache == 7
    assert load(tmp_path, environment={**common, "TROPISM_HTTP_MODEL_CACHE": "9"}).http.model_cache == 9
    assert load(tmp_path, environment={"ML_MODEL_CACHE_SIZE": ""}).http.model_cache == 100
    assert load(tmp_path, "[http]\nmodel_cache = 5\n", common).http.model_cache == 7
    with pytest.raises(SettingInvalid) as refused:
        load(tmp_path, environment={"ML_MODEL_CACHE_SIZE": "many"})
    assert refused.value.faults[0].field == "http.model_cache"


@pytest.mark.parametrize("url", ["http://localhost:8700", "http://127.0.0.1:8701/", "http://models.example:8700"])
def test_runs_are_not_also_written_to_the_mlflow_that_is_this_project(tmp_path: Path, url: str) -> None:
    given = {"tracking": {"also": "mlflow", "mlflow_url": url}, "http": {"host": "models.example"}}
    with pytest.raises(SettingInvalid, match=r"tracking\.mlflow_url.*name another MLflow"):
        load_settings(tmp_path, given, environment={})
    elsewhere = {"also": "mlflow", "mlflow_url": "http://127.0.0.1:5000"}
    assert load_settings(tmp_path, {"tracking": elsewhere}, environment={}).tracking.also == "mlflow"
