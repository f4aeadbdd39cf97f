from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.clock import DAY
from tropism.core.errors import DataInvalid
from tropism.features import StreamSource
from tropism.features.offline.reading import read_source
from tropism.featurestore.history_files import NUMBER, read_history

SOURCE = StreamSource("visits", timestamp="at", schema={"who": str, "pages": int})
NOW = 20_500 * DAY


def test_the_same_content_is_known_by_the_same_name_wherever_it_lies(tmp_path: Path) -> None:
    text = "who,pages,at,more\na,1,2026-01-01,x\n007,,2026-01-02T12:00:00+02:00,y\n"
    found = []
    for name in ("one.csv", "two [a].txt"):
        (tmp_path / name).write_text(text)
        found.append(read_history(tmp_path / name, SOURCE, ["who"], NOW))
    one, two = found
    assert one.writer == two.writer
    assert one.events.to_pydict() == two.events.to_pydict()
    assert one.events["who"].to_pylist() == ["a", "007"]
    assert one.events["pages"].to_pylist() == [1, None]
    assert [str(at) for at in one.events["arrived_at"].to_pylist()] == [
        "2026-01-01 00:00:00+00:00",
        "2026-01-02 10:00:00+00:00",
    ]
    assert one.events[NUMBER].to_pylist() == [1, 2]
    (tmp_path / "one.csv").write_text(text + "b,2,2026-01-03,z\n")
    assert read_history(tmp_path / "one.csv", SOURCE, ["who"], NOW).writer != two.writer


def test_a_file_that_lacks_a_column_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who,at\na,2026-01-01\n")
    with pytest.raises(DataInvalid, match="has not the columns") as refused:
        read_history(tmp_path / "a.csv", SOURCE, [], NOW)
    assert (refused.value.faults[0].field, refused.value.faults[0].value) == ("pages", "missing")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and nothing else")
    for path in (tmp_path / "b.parquet", tmp_path, tmp_path / "nix"):
        with pytest.raises(DataInvalid, match="cannot be read"):
            read_history(path, SOURCE, [], NOW)


def test_a_file_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"who": ["a"], "pages": [1], "at": ["2026-01-01"]})
    pq.write_table(table, path)

    def changed(*arguments: Any) -> pa.Table:
        found = read_source(*arguments)
        pq.write_table(pa.concat_tables([table, table]), path)
        return found

    monkeypatch.setattr("tropism.featurestore.history_files.read_source", changed)
    with pytest.raises(DataInvalid, match="was changed while it was read"):
        read_history(path, SOURCE, [], NOW)
