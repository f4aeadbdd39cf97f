"""With a real Feast: a repository with data, applied, materialised and served."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tropism.core.clock import SystemClock
from tropism.core.errors import DataInvalid
from tropism.features.feast import FeastServer, as_python, definitions, read_repository
from tropism.features.offline import training_set
from tropism.features.offline.reading import read_source
from tropism.features.online.reader import Status

YAML = """project: shop
registry: data/registry.db
provider: local
online_store:
    type: sqlite
    path: data/online.db
entity_key_serialization_version: 3
"""
REPOSITORY = """from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Bytes, Float32, Float64, Int64, String, UnixTimestamp

print("this is not JSON")
account = Entity(name="account", join_keys=["account_id"], value_type=ValueType.INT64)
profiles = FileSource(path="data/rows.parquet", timestamp_field="at", field_mapping={"n": "orders"})
profile = FeatureView(
    name="Profile", entities=[account], ttl=timedelta(days=30), source=profiles,
    schema=[
        Field(name="segment", dtype=String), Field(name="limit", dtype=Float64), Field(name="orders", dtype=Int64),
        Field(name="since", dtype=UnixTimestamp), Field(name="photo", dtype=Bytes),
        Field(name="taste", dtype=Array(Float32), vector_index=True, vector_length=2),
    ],
)
# Columns are found in the data when this is applied.
found = FeatureView(name="found", entities=[account], ttl=None, source=FileSource(path="data/more.parquet"))
pushed = PushSource(name="pushed", batch_source=profiles)
live = FeatureView(name="live", entities=[account], source=pushed, schema=[Field(name="limit", dtype=Float64)])
"""
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def python() -> str:
    named = os.environ.get("TROPISM_TEST_FEAST")
    if not named:
        pytest.skip("set TROPISM_TEST_FEAST to a Python interpreter that has Feast")
    return named


@pytest.fixture(scope="module")
def folder(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("feast")
    (made / "data").mkdir()
    (made / "feature_store.yaml").write_text(YAML)
    (made / "definitions.py").write_text(REPOSITORY)
    times = [NOW - timedelta(days=1), NOW - timedelta(days=40)]
    rows = {
        "account_id": [1, 2], "at": times, "segment": ["ü", None], "limit": [1.5, float("nan")],
        "n": [2**53 + 1, 3], "since": times, "photo": [b"x", b"y"],
    }  # fmt: skip
    table = pa.table(rows).append_column("taste", pa.array([[0.5, 0.25], [1.0, 2.0]], pa.list_(pa.float32())))
    parquet.write_table(table, made / "data" / "rows.parquet")
    more = {"account_id": [1, 2], "event_timestamp": times, "rate": [0.1, 0.2]}
    parquet.write_table(pa.table(more), made / "data" / "more.parquet")
    return made


def feast(python: str, folder: Path, *command: str) -> None:
    program = Path(python).with_name("feast")
    done = subprocess.run([program, *command], cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def served(python: str, folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(python).with_name("feast")), "serve", "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert server.stdout is not None
    rest = threading.Thread(target=server.stdout.read)
    try:
        said: list[str] = []
        while "startup complete" not in "".join(said[-1:]):
            said.append(server.stdout.readline())
            assert said[-1], "".join(said)
        rest.start()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        rest.join()
        server.stdout.close()


def test_a_repository_moves_view_by_view(python: str, folder: Path) -> None:
    """Read as it stands, applied, and then the same values from Feast's server and from our definitions."""
    before = definitions(read_repository(folder, python))
    assert not (folder / "data" / "registry.db").exists(), "reading applied it"
    assert [one.name for one in before.views] == ["live", "profile"]
    assert {"found", "Profile:photo"} <= {one.what for one in before.left_out}

    feast(python, folder, "apply")
    feast(python, folder, "materialize", "2020-01-01T00:00:00", NOW.strftime("%Y-%m-%dT%H:%M:%S"))
    converted = definitions(read_repository(folder, python))
    views = {one.name: one for one in converted.views}
    assert sorted(views) == ["found", "live", "profile"]
    assert views["found"].source.timestamp == "event_timestamp"
    assert views["profile"].ttl == "30d"
    compile(as_python(converted), "project.py", "exec")

    names = ["segment", "limit", "orders", "since", "taste"]
    labels = pa.table({"account_id": [1, 2, 9], "time": [NOW] * 3})
    ours = training_set(
        labels, [views["profile"]], lambda view, columns: read_source(view.source, columns, folder), at="time"
    ).to_pylist()
    with served(python, folder) as url, FeastServer(url, 60, converted.served, SystemClock()) as server:
        asked = [f"Profile:{name}" for name in names]
        found = server.read([*asked, "found:rate"], {"account_id": [1, 2, 9]})
        for theirs, row in zip(found.rows, ours, strict=True):
            assert [theirs[one] for one in asked] == [row[converted.served[one].name] for one in asked]
        assert found.statuses["Profile:limit"] == [Status.PRESENT, Status.EXPIRED, Status.MISSING]
        assert [row["found:rate"] for row in found.rows] == [0.1, 0.2, None]
        with FeastServer(url, 60) as plain:
            # Feast itself gives values of any age.
            assert plain.read(asked, {"account_id": [2]}).statuses["Profile:limit"] == [Status.PRESENT]


def test_what_was_applied_is_read_where_there_are_no_files(python: str, folder: Path, tmp_path: Path) -> None:
    feast(python, folder, "apply")
    (tmp_path / "feature_store.yaml").write_text(YAML.replace("data/", f"{folder}/data/"))
    found = read_repository(tmp_path, python)
    assert found.origin == "registry"
    assert sorted(one.name for one in found.views) == ["Profile", "found", "live"]
    here = definitions(read_repository(folder, python))
    assert set(definitions(found).served) == set(here.served)


def test_what_feast_cannot_load_is_said_in_a_line(python: str, tmp_path: Path) -> None:
    (tmp_path / "feature_store.yaml").write_text(YAML)
    (tmp_path / "broken.py").write_text("import nowhere\n")
    with pytest.raises(DataInvalid) as caught:
        read_repository(tmp_path, python)
    assert caught.value.faults[0].value == "ModuleNotFoundError: No module named 'nowhere'"
