from __future__ import annotations

import hashlib
import os
import resource
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tropism.core.errors import (
    ArtifactTampered,
    DiskFull,
    InvalidInput,
    MissingExtra,
    NotFound,
    NotWritable,
    SettingInvalid,
)
from tropism.storage.blobs import Blobs


@pytest.fixture(params=["path", "file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    urls = {"path": str(tmp_path / "b"), "file": f"file://{tmp_path}/b", "memory": f"memory://{uuid.uuid4().hex}"}
    return Blobs(urls[request.param])


def test_what_was_put_comes_back_under_its_digest(blobs: Blobs) -> None:
    data = bytes(range(256)) * 100

    digest = blobs.put(data)

    assert digest == hashlib.sha256(data).hexdigest()
    assert blobs.get(digest) == data
    assert blobs.exists(digest)
    assert Blobs.put(blobs, b"") == hashlib.sha256(b"").hexdigest()
    assert blobs.get(hashlib.sha256(b"").hexdigest()) == b""


def test_putting_twice_keeps_one(blobs: Blobs) -> None:
    assert blobs.put(b"same") == blobs.put(b"same")
    assert list(blobs.digests()) == [hashlib.sha256(b"same").hexdigest()]


def test_digests_are_listed_in_order_and_deleted_ones_are_gone(blobs: Blobs) -> None:
    assert list(blobs.digests()) == []
    digests = [blobs.put(str(number).encode()) for number in range(20)]
    assert list(blobs.digests()) == sorted(digests)

    blobs.delete(digests[0])
    blobs.delete(digests[0])

    assert list(blobs.digests()) == sorted(digests[1:])
    assert not blobs.exists(digests[0])
    with pytest.raises(NotFound) as caught:
        blobs.get(digests[0])
    assert caught.value.faults[0].value == digests[0]


@pytest.mark.parametrize("digest", ["", "abc", "../" * 20 + "etc/passwd", "A" * 64, "0" * 64 + "\n"])
def test_what_is_no_digest_never_becomes_a_path(blobs: Blobs, digest: str) -> None:
    for call in (blobs.get, blobs.exists, blobs.delete):
        with pytest.raises(InvalidInput):
            call(digest)


def test_a_changed_byte_is_refused_and_named_and_putting_again_heals_it(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"the model")
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    file.write_bytes(b"the modeL")

    with pytest.raises(ArtifactTampered, match=digest):
        blobs.get(digest)

    assert blobs.put(b"the model") == digest
    assert blobs.get(digest) == b"the model"


def test_many_threads_putting_the_same_do_not_disturb_each_other(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    data = b"x" * 200_000
    digests: list[str] = []
    threads = [threading.Thread(target=lambda: digests.append(blobs.put(data))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(digests) == {hashlib.sha256(data).hexdigest()}
    assert blobs.get(digests[0]) == data
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    with file_size_limit(10_000), pytest.raises(DiskFull):
        blobs.put(b"x" * 50_000)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert blobs.get(blobs.put(b"x" * 50_000)) == b"x" * 50_000


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotWritable) as caught:
        Blobs(str(tmp_path / "file")).put(b"x")
    assert caught.value.faults[0].field == "blobs.url"
    assert str(tmp_path / "file") in caught.value.faults[0].value


def test_an_unknown_kind_of_url_is_refused() -> None:
    with pytest.raises(SettingInvalid, match=r"blobs\.url"):
        Blobs("nonsense://place")


def test_a_kind_of_url_whose_package_is_missing_says_what_to_install() -> None:
    pytest.importorskip("fsspec")
    try:
        import s3fs  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match="s3fs"):
            Blobs("s3://bucket/models")
    else:
        pytest.skip("s3fs is installed here")


def test_pieces_that_come_one_by_one_are_one_blob_under_its_digest(blobs: Blobs) -> None:
    with blobs.incoming() as incoming:
        for _ in range(3):
            incoming.write(b"x" * 1_000)
        assert list(blobs.digests()) == []
        digest = incoming.keep()

    assert (digest, incoming.size) == (hashlib.sha256(b"x" * 3_000).hexdigest(), 3_000)
    assert blobs.get(digest) == b"x" * 3_000
    assert list(blobs.digests()) == [digest]
    with blobs.open(digest) as file:
        assert file.read() == b"x" * 3_000


def test_what_was_not_kept_leaves_nothing_behind(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), blobs.incoming() as incoming:
        incoming.write(b"half of it")
        raise ZeroDivisionError

    assert list(blobs.digests()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_same_content_twice_is_one_blob_and_heals_a_damaged_copy(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"the model")
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    file.write_bytes(b"the modeL")
    with pytest.raises(ArtifactTampered, match=digest):
        blobs.open(digest)

    with blobs.incoming() as incoming:
        incoming.write(b"the model")
        assert incoming.keep() == digest

    assert blobs.get(digest) == b"the model"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_an_open_blob_can_be_read_to_its_end_although_it_is_deleted(blobs: Blobs) -> None:
    digest = blobs.put(b"x" * 100_000)
    with blobs.open(digest) as file:
        blobs.delete(digest)
        assert len(file.read()) == 100_000
    with pytest.raises(NotFound):
        blobs.open(digest)


def test_no_room_for_a_piece_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    with blobs.incoming() as incoming, file_size_limit(150_000), pytest.raises(DiskFull):
        for _ in range(4):
            incoming.write(b"x" * 50_000)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_process_left_goes_with_a_later_blob(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    left = [tmp_path / "temporary" / name for name in ("old", "young")]
    left[0].parent.mkdir()
    for file in left:
        file.write_bytes(b"half")
    os.utime(left[0], (1e9, 1e9))

    with blobs.incoming() as incoming:
        incoming.write(b"whole")
        digest = incoming.keep()

    assert list(blobs.digests()) == [digest]
    assert [file.exists() for file in left] == [False, True]
