"""The contract of every online store, over SQLite, LMDB and Redis.

Run as a script, this file is a process that writes: `KIND URL PREFIX WHAT`, where WHAT is
`shuffled SEED`, `generations` or `full`.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.redis_server import redis_url

from tropism.core.errors import InvalidInput, NotReady, NotWritable, TropismError
from tropism.features.online import OnlineStore, Packing
from tropism.features.online.lmdb import LMDBOnlineStore
from tropism.features.online.redis import RedisOnlineStore
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.features.types import dtype

PACKING = Packing([dtype("integer")])
VIEW = "spend@3f2a"
SHUFFLED = [(f"key-{key}", event, created) for key in range(20) for event in range(-5, 5) for created in range(5)]
GENERATION = [f"key-{key}" for key in range(500)]

Open = Callable[[], OnlineStore]


def connect(kind: str, url: str, prefix: str) -> OnlineStore:
    if kind == "redis":
        return RedisOnlineStore(url, prefix=prefix)
    if kind == "lmdb":
        pytest.importorskip("lmdb", reason="the package lmdb is not installed")
    # A map of 64 KiB is soon full.
    return LMDBOnlineStore(url, room=2**16) if kind == "lmdb" else SQLiteOnlineStore(url)


def row(event: int, created: int = 0, value: int | None = None) -> bytes:
    return PACKING.pack(event, created, [value])


@pytest.fixture(params=["sqlite", "lmdb", pytest.param("redis", marks=pytest.mark.redis)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, URL and prefix of a store that is empty."""
    urls = {"sqlite": f"sqlite:///{tmp_path / 'online.sqlite'}", "lmdb": f"lmdb:///{tmp_path / 'online'}"}
    url = urls.get(request.param) or redis_url()
    prefix = f"tropism-test-{uuid.uuid4().hex}:"
    yield request.param, url, prefix
    if request.param == "redis":
        store = connect("redis", url, prefix)
        store.clear()
        store.close()


@pytest.fixture
def store(place: tuple[str, str, str]) -> Iterator[OnlineStore]:
    store = connect(*place)
    yield store
    store.close()


def test_rows_come_in_the_order_asked_with_none_for_absent_ones(store: OnlineStore) -> None:
    assert store.write(VIEW, ["a", "b"], [row(1), row(2)]) == 2
    assert store.write("other@1", ["a"], [row(3)]) == 1

    assert store.read([(VIEW, ["b", "x", "a", "b"]), ("never@1", ["a"]), ("other@1", ["a", "b"]), (VIEW, ["a"])]) == [
        [row(2), None, row(1), row(2)],
        [None],
        [row(3), None],
        [row(1)],
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 63, 64, 255, 256, 257, 260, 600, 1_025])
def test_any_number_of_keys_is_read_in_one_go(store: OnlineStore, count: int) -> None:
    written = {f"key-{number}": row(number) for number in range(0, 700, 3)}
    store.write(VIEW, list(written), list(written.values()))
    draw = random.Random(count)
    keys = [f"key-{draw.randrange(700)}" for _ in range(count)]
    other = [f"key-{place}" for place in range(count)]

    assert store.read([(VIEW, keys), (VIEW, other)]) == [
        [written.get(key) for key in keys],
        [written.get(key) for key in other],
    ]


def test_nothing_asked_or_given_is_nothing_done(store: OnlineStore) -> None:
    assert store.write(VIEW, [], []) == 0
    assert store.read([]) == []
    assert store.read([(VIEW, []), (VIEW, ["a"])]) == [[], [None]]
    store.delete_view("never@1")
    store.clear()


def test_a_newer_row_stays_and_one_of_equal_times_is_replaced(store: OnlineStore) -> None:
    store.write(VIEW, ["a"], [row(5, 5, 1)])
    assert store.write(VIEW, ["a", "a"], [row(4, 9, 2), row(5, 4, 3)]) == 0
    assert store.read([(VIEW, ["a"])]) == [[row(5, 5, 1)]]
    assert store.write(VIEW, ["a"], [row(5, 5, 4)]) == 1
    assert store.read([(VIEW, ["a"])]) == [[row(5, 5, 4)]]


TIMES = st.sampled_from([-(2**63), -(2**32), -1, 0, 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1])


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abc"), TIMES, TIMES), min_size=1, max_size=30), st.integers(1, 7))
def test_in_any_order_the_newest_by_event_and_created_time_is_left(
    store: OnlineStore, writes: list[tuple[str, int, int]], size: int
) -> None:
    view = f"view@{uuid.uuid4().hex}"
    newest: dict[str, tuple[tuple[int, int], bytes]] = {}
    for place, (key, event, created) in enumerate(writes):
        if key not in newest or (event, created) >= newest[key][0]:
            newest[key] = (event, created), row(event, created, place)
    for start in range(0, len(writes), size):
        some = range(start, min(start + size, len(writes)))
        store.write(view, [writes[at][0] for at in some], [row(*writes[at][1:], at) for at in some])

    assert store.read([(view, list("abc"))]) == [[newest[key][1] if key in newest else None for key in "abc"]]


@pytest.mark.parametrize("key", ["", " ", "it's", 'a "quote"\\', "%_*?[x]", "ключ-☃-𝄞", "a\nb", "a\0b", "k" * 5_000])
def test_any_text_is_a_key_and_a_view(store: OnlineStore, key: str) -> None:
    store.write(VIEW, [key], [row(1)])
    store.write(key, ["a"], [row(2)])
    assert store.read([(VIEW, [key, key + "x", key[:-1] + "y"]), (VIEW, [key])]) == [[row(1), None, None], [row(1)]]
    assert store.read([(key, ["a"]), (key + "x", ["a"])]) == [[row(2)], [None]]


def test_what_is_no_text_is_refused(store: OnlineStore) -> None:
    store.write(VIEW, ["b"], [row(1)])
    for view, keys in ((VIEW, ["\ud800"]), (VIEW, ["a", "\ud800"]), ("\ud800", ["a"])):
        with pytest.raises(InvalidInput):
            store.write(view, keys, [row(1)] * len(keys))
        with pytest.raises(InvalidInput):
            store.read([(view, keys)])
    assert store.read([(VIEW, ["a"])]) == [[None]]


def test_many_and_large_rows(store: OnlineStore) -> None:
    packing = Packing([dtype("vector(16384)")])
    large = packing.pack(1, 1, [[0.5] * 16_384])
    keys = [f"key-{number}" for number in range(5_000)]
    assert store.write(VIEW, keys, [row(number) for number in range(5_000)]) == 5_000
    assert store.write("large@1", keys[:40], [large] * 40) == 40
    assert store.read([("large@1", keys[:41]), (VIEW, keys)]) == [
        [large] * 40 + [None],
        [row(number) for number in range(5_000)],
    ]


def test_a_view_is_deleted_alone(store: OnlineStore) -> None:
    views = ["spend", "spend@1", "spend@11", "spend@1:", "*", "s"]
    for view in views:
        store.write(view, ["a", "1:a", ""], [row(1)] * 3)
    for gone in ("spend@1", "*"):
        store.delete_view(gone)
        views.remove(gone)
        assert store.read([(gone, ["a", "1:a", ""])]) == [[None] * 3]
    assert store.read([(view, ["a", "1:a", ""]) for view in views]) == [[row(1)] * 3] * len(views)
    store.write("spend@1", ["a"], [row(0)])
    assert store.read([("spend@1", ["a"])]) == [[row(0)]]
    store.clear()
    assert store.read([(view, ["a"]) for view in [*views, "spend@1"]]) == [[None]] * 5


def test_a_row_to_keep_for_long_is_there(store: OnlineStore) -> None:
    store.write(VIEW, ["a"], [row(1)], keep=3_600_000_000)
    assert store.read([(VIEW, ["a"])]) == [[row(1)]]


def test_threads_share_a_store(store: OnlineStore) -> None:
    torn: list[object] = []

    def work(seed: int) -> None:
        order = random.Random(seed).sample(range(100), 100)
        for event in order:
            store.write(VIEW, GENERATION[:20], [row(event)] * 20)
            found = store.read([(VIEW, GENERATION[:20])])[0]
            if len(set(found)) != 1:
                torn.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torn == []
    assert store.read([(VIEW, GENERATION[:20])]) == [[row(99)] * 20]


def test_processes_that_write_in_any_order_leave_the_newest(store: OnlineStore, place: tuple[str, str, str]) -> None:
    writers = [started(*place, "shuffled", str(seed)) for seed in range(4)]
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0] * 4

    keys = [f"key-{key}" for key in range(20)]
    assert store.read([(VIEW, keys)]) == [[row(4, 4)] * 20]


@pytest.mark.parametrize("count", [50, 500])
def test_a_read_of_many_keys_and_views_meets_no_write_half_done(place: tuple[str, str, str], count: int) -> None:
    store = connect(*place)
    with started(*place, "generations") as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        reads = [store.read([(VIEW, GENERATION[:count]), ("mark@1", ["a"])]) for _ in range(500)]
        writer.kill()
    store.close()
    assert {len(set(found)) for found, _ in reads} == {1}
    assert len({found[0] for found, _ in reads}) > 1
    assert all(mark is None or (found[0] is not None and mark <= found[0]) for found, (mark,) in reads)


@pytest.mark.parametrize("acknowledged", [1, 2, 5, 9])
def test_a_killed_writer_leaves_whole_writes_and_none_of_what_it_confirmed_is_lost(
    place: tuple[str, str, str], acknowledged: int
) -> None:
    writer = started(*place, "generations")
    assert writer.stdout is not None
    with writer:
        for _ in range(acknowledged):
            confirmed = int(writer.stdout.readline())
        writer.kill()
        confirmed = max([confirmed, *(int(line) for line in writer.stdout.read().split())])

    store = connect(*place)
    (found,) = store.read([(VIEW, GENERATION)])
    assert len(set(found)) == 1
    assert found[0] is not None
    assert PACKING.unpack(found[0])[0] in (confirmed, confirmed + 1)
    assert store.write(VIEW, GENERATION, [row(10**6)] * len(GENERATION)) == len(GENERATION)
    assert store.read([(VIEW, GENERATION)]) == [[row(10**6)] * len(GENERATION)]
    store.close()


@pytest.mark.parametrize("place", ["sqlite", "lmdb"], indirect=True)
def test_without_room_on_the_disk_a_write_is_refused_whole_and_the_rest_is_there(place: tuple[str, str, str]) -> None:
    writer = started(*place, "full")
    said, _ = writer.communicate(timeout=120)
    code, written = said.split()

    assert code == "disk-full"
    store = connect(*place)
    views = [f"view@{number}" for number in range(int(written) + 1)]
    assert int(written) > 1
    assert store.read([(view, GENERATION) for view in views]) == [
        *([[row(1)] * len(GENERATION)] * int(written)),
        [None] * len(GENERATION),
    ]
    assert store.write(views[-1], GENERATION, [row(1)] * len(GENERATION)) == len(GENERATION)
    store.close()


def test_closing_twice_is_fine(store: OnlineStore) -> None:
    store.close()
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "lmdb"])
def test_a_path_that_cannot_be_written_says_so(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable, match="file"):
        connect(kind, str(tmp_path / "file" / "online"), "")


@pytest.mark.parametrize(("kind", "name"), [("sqlite", "online"), ("lmdb", "online/data.mdb")])
def test_a_damaged_file_says_so(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"this is no database" * 1_000)
    with pytest.raises(NotReady, match="materialise again"):
        connect(kind, str(tmp_path / "online"), "")


def started(*arguments: str) -> subprocess.Popen[str]:
    """This file, as a program of its own."""
    command = [sys.executable, "-m", "tests.conformance.test_online_store", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def write_shuffled(store: OnlineStore, seed: int) -> None:
    order = random.Random(seed).sample(SHUFFLED, len(SHUFFLED))
    for start in range(0, len(order), 50):
        some: Sequence[tuple[str, int, int]] = order[start : start + 50]
        store.write(VIEW, [key for key, _, _ in some], [row(event, created) for _, event, created in some])


def write_generations(store: OnlineStore) -> None:
    for generation in range(10**5):
        store.write(VIEW, GENERATION, [row(generation)] * len(GENERATION))
        store.write("mark@1", ["a"], [row(generation)])
        sys.stdout.write(f"{generation}\n")
        sys.stdout.flush()


def fill(store: OnlineStore) -> None:
    """Writes until a file may not grow any more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
    for number in range(10**5):
        try:
            store.write(f"view@{number}", GENERATION, [row(1)] * len(GENERATION))
        except TropismError as error:
            sys.stdout.write(f"{error.code} {number}")
            return


if __name__ == "__main__":
    kind, url, prefix, what, *seed = sys.argv[1:]
    if what == "full":
        fill(connect(kind, url, prefix))
    elif what == "shuffled":
        write_shuffled(connect(kind, url, prefix), int(seed[0]))
    else:
        write_generations(connect(kind, url, prefix))
