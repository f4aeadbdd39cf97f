from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import text

from tropism.core.errors import InvalidInput
from tropism.monitoring.embeddings.blobs import BlobVectors
from tropism.monitoring.embeddings.choosing import open_vectors
from tropism.monitoring.embeddings.pgvector import PgVectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.monitoring.embeddings.base import Metric, Vectors
    from tropism.storage.tables import Database

    Make = Callable[[str, int], Vectors]


@pytest.fixture(params=["bytes", "pgvector"])
def make(request: pytest.FixtureRequest, database: Database) -> Make:
    if request.param == "bytes":
        return lambda collection, width: BlobVectors(database, collection, width)
    with database.read() as connection:
        if connection.dialect.name == "sqlite":
            pytest.skip("SQLite has no pgvector, ever")
    if not isinstance(open_vectors(database, "probe", 1), PgVectors):
        pytest.skip("no pgvector here: point TROPISM_TEST_POSTGRES at a server that has it")
    return lambda collection, width: PgVectors(database, collection, width)


def _named(count: int) -> list[str]:
    return [f"v{index:04d}" for index in range(count)]


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_the_nearest_are_those_that_a_search_by_hand_finds(make: Make, metric: Metric) -> None:
    rng = np.random.default_rng(0)
    rows, wanted = rng.normal(size=(300, 16)).astype(np.float32), rng.normal(size=16).astype(np.float32)
    vectors = make("some", 16)
    vectors.put(_named(300), rows)
    far = np.linalg.norm(rows - wanted, axis=1)
    if metric == "cosine":
        far = 1 - rows @ wanted / np.linalg.norm(rows, axis=1) / np.linalg.norm(wanted)
    found = vectors.nearest(wanted, 5, metric)
    assert [near.id for near in found] == [_named(300)[row] for row in np.argsort(far)[:5]]
    assert [near.distance for near in found] == pytest.approx(np.sort(far)[:5].tolist(), abs=1e-5)


def test_mean_and_count_are_of_one_collection(make: Make) -> None:
    first, second = make("first", 2), make("second", 3)
    first.put(["a", "b"], np.array([[1.0, 2.0], [2.0, 4.0]], np.float32))
    second.put(["a"], np.array([[9.0, 9.0, 9.0]], np.float32))
    mean = first.mean()
    assert mean is not None
    assert (mean.tolist(), first.count(), second.count()) == ([1.5, 3.0], 2, 1)
    assert [near.id for near in first.nearest(np.zeros(2, np.float32))] == ["a", "b"]


def test_a_vector_put_again_takes_the_place_of_the_old_one(make: Make) -> None:
    vectors = make("some", 1)
    vectors.put(["a"], np.array([[1.0]], np.float32))
    vectors.put(["a"], np.array([[5.0]], np.float32))
    assert vectors.count() == 1
    assert vectors.nearest(np.array([5.0], np.float32))[0].distance == 0


def test_an_empty_collection_has_no_mean_and_nothing_near(make: Make) -> None:
    vectors = make("none", 4)
    vectors.put([], np.zeros((0, 4), np.float32))
    assert (vectors.mean(), vectors.count(), vectors.nearest(np.zeros(4, np.float32))) == (None, 0, [])


def test_what_is_equally_far_comes_in_the_order_of_ids(make: Make) -> None:
    vectors = make("zeros", 2)
    vectors.put(["b", "a", "c"], np.zeros((3, 2), np.float32))
    assert [near.id for near in vectors.nearest(np.ones(2, np.float32), 2)] == ["a", "b"]
    assert vectors.nearest(np.ones(2, np.float32), 1, "cosine")[0].distance == 1


@pytest.mark.parametrize(
    ("ids", "rows"),
    [(["a"], [[1.0]]), (["a"], [[1.0, np.nan]]), (["a"], [[1.0, 1e39]]), (["a", "a"], [[1.0, 1.0]] * 2)],
)
def test_what_cannot_be_kept_is_refused_whole(make: Make, ids: list[str], rows: list[list[float]]) -> None:
    vectors = make("some", 2)
    with pytest.raises(InvalidInput):
        vectors.put(ids, np.array(rows))
    assert vectors.count() == 0


def test_a_collection_of_another_width_is_told(make: Make) -> None:
    make("some", 2).put(["a"], np.ones((1, 2), np.float32))
    with pytest.raises(InvalidInput, match="another width"):
        make("some", 3)


def test_a_collection_stays_where_it_was_begun(database: Database) -> None:
    BlobVectors(database, "old", 1).put(["a"], np.ones((1, 1), np.float32))
    assert open_vectors(database, "old", 1).count() == 1


def test_a_server_without_the_extension_keeps_bytes(database: Database) -> None:
    with database.begin() as connection:
        if connection.dialect.name == "postgresql" and connection.scalar(
            text("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")
        ):
            pytest.skip("this server has pgvector")
    assert isinstance(open_vectors(database, "some", 1), BlobVectors)
