"""With encoders registered as a package would register them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from tropism.core import plugins
from tropism.core.errors import DataInvalid, InvalidInput, MissingExtra, SettingInvalid, TropismError
from tropism.features.transformations import Embedding, FittedPipeline, Pipeline
from tropism.features.transformations.embedding import _encoder

POINTS = """[tropism.encoders]
letters = encoders_of_a_test:Letters
broken = encoders_of_a_test:Broken
absent = encoders_of_a_test_that_needs:Missing
"""
CODE = """
class Letters:
    def encode(self, text):
        return [len(text), sum(map(ord, text)) / 7]

class Broken:
    def encode(self, text):
        raise OSError("no such weights")
"""


@pytest.fixture
def encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package = tmp_path / "encoders_of_a_test-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: encoders-of-a-test\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(POINTS)
    (tmp_path / "encoders_of_a_test.py").write_text(CODE)
    (tmp_path / "encoders_of_a_test_that_needs.py").write_text("import weights_from_nowhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins._group.cache_clear()
    _encoder.cache_clear()
    yield
    plugins._group.cache_clear()
    _encoder.cache_clear()
    sys.modules.pop("encoders_of_a_test", None)


def pipeline(encoder: str, size: int = 2) -> Pipeline:
    return Pipeline({"note": str}, (Embedding("note", encoder=encoder, size=size),))


TABLE = pa.table({"note": ["rent", None, "food", "rent"]})


def test_a_text_is_the_vector_that_its_encoder_gives(encoders: None) -> None:
    fitted = pipeline("letters").fit(TABLE)
    found = FittedPipeline.from_json(fitted.to_json()).apply(TABLE)["embedding_note"]
    assert found.type == pa.list_(pa.float32(), 2)
    assert found.to_pylist() == [fitted.apply_row(row)["embedding_note"] for row in TABLE.to_pylist()]
    assert found.to_pylist()[1] is None
    assert found.to_pylist()[0] == pytest.approx([4.0, sum(map(ord, "rent")) / 7])


def test_an_encoder_that_is_not_there_is_refused_when_it_is_fitted_and_where_it_is_applied(encoders: None) -> None:
    for name, error in (("nobody", SettingInvalid), ("absent", MissingExtra)):
        with pytest.raises(error) as caught:
            pipeline(name).fit(TABLE)
        assert caught.value.faults[0].fix
        stored = FittedPipeline({"note": str}, (Embedding("note", encoder=name, size=2),))
        with pytest.raises(error):
            stored.apply_row({"note": "rent"})


@pytest.mark.parametrize(("encoder", "size"), [("broken", 2), ("letters", 3)])
def test_an_encoder_that_does_not_do_its_work_is_reported(encoders: None, encoder: str, size: int) -> None:
    fitted = FittedPipeline({"note": str}, (Embedding("note", encoder=encoder, size=size),))
    for apply in (lambda: fitted.apply(TABLE), lambda: fitted.apply_row({"note": "rent"})):
        with pytest.raises(InvalidInput) as caught:
            apply()
        assert caught.value.faults[0].fix


def test_without_any_encoder_it_says_so() -> None:
    with pytest.raises(TropismError) as caught:
        pipeline("sentences").fit(TABLE)
    assert "sentences" in str(caught.value)
    with pytest.raises(DataInvalid):
        Embedding("note", encoder="x", size=1).apply(pa.table({"note": [1.5]}))
