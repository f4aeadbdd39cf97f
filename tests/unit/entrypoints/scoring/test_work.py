from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest

from tropism.core.errors import DiskFull, NotReady, NotWritable, TropismError
from tropism.entrypoints.scoring.parts import ScoredPart
from tropism.entrypoints.scoring.work import Work


def scored(index: int) -> ScoredPart:
    return ScoredPart(
        index=index, first=1, last=2, share=0.5, rows=2, output=b"out", refused=b"bad", records=(b"one", b"two")
    )


def test_a_part_is_done_once_all_of_it_is_there(tmp_path: Path) -> None:
    with closing(Work(tmp_path / "out.csv")) as work:
        done = work.commit(scored(3))
        assert work.done() == {3: done}
        for path in (work.part(3), work.refused(3), work.records(3)):
            kept = path.read_bytes()
            path.write_bytes(kept[:-1])
            assert work.done() == {}
            path.unlink()
            assert work.done() == {}
            path.write_bytes(kept)
        assert work.done() == {3: done}


def test_records_are_handed_out_until_they_are_recorded(tmp_path: Path) -> None:
    with closing(Work(tmp_path / "out.csv")) as work:
        done = work.commit(scored(0))
        assert work.unrecorded(done) == [b"one", b"two"]
        work.mark_recorded(done)
        assert work.unrecorded(done) == []


def test_a_file_is_published_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "no space")

    def succeed(path: Path) -> None:
        path.write_text("after")

    with closing(Work(out)) as work:
        with pytest.raises(DiskFull, match="no room for the results"):
            work.publish(out, fail)
        assert out.read_text() == "before"
        work.publish(out, succeed)
        assert out.read_text() == "after"
        work.finish()
    assert sorted(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EACCES, NotWritable), (errno.EIO, NotReady)],
)
def test_what_the_disk_refuses_is_told(number: int, kind: type[TropismError], tmp_path: Path) -> None:
    with closing(Work(tmp_path / "out.csv")) as work, pytest.raises(kind) as caught, work.writing():
        raise OSError(number, os.strerror(number))
    assert caught.value.faults[0].field == "--out"
