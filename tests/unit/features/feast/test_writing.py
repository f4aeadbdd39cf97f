from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.unit.features.feast.recorded import REPOSITORY

from tropism.features import DeltaSource, Entity, FeatureView, Field, Vector
from tropism.features.feast import Converted, FeastRepository, Remark, as_python, definitions
from tropism.project import load_features


def loaded(text: str, tmp_path: Path) -> Converted:
    """What a project of this text declares."""
    file = tmp_path / "project.py"
    file.write_text(text, encoding="utf-8")
    found = load_features(file)
    return Converted(
        entities=tuple(one for one in found if isinstance(one, Entity)),
        views=tuple(one for one in found if isinstance(one, FeatureView)),
    )


def same(found: Converted, wanted: Converted) -> bool:
    return (found.entities, found.views) == (wanted.entities, wanted.views)


def test_the_source_declares_what_was_converted(tmp_path: Path) -> None:
    converted = definitions(msgspec.json.decode(REPOSITORY, type=FeastRepository))
    assert same(loaded(as_python(converted), tmp_path), converted)


def test_what_is_left_out_stands_in_comments() -> None:
    text = as_python(definitions(msgspec.json.decode(REPOSITORY, type=FeastRepository)))
    assert "# - profile:photo: its type Bytes is not taken over" in text
    assert "# - Pair_View: the view is called pair_view here" in text


@pytest.mark.parametrize("name", ["class", "int", "datetime", "7d", "account"])
def test_names_that_python_has_taken(name: str, tmp_path: Path) -> None:
    entity = Entity(name, key="id")
    account = Entity("account", key="id")
    view = FeatureView(name, entity, DeltaSource(path="rows", timestamp="at"), (Field("n", int), Field("v", Vector(2))))
    entities = tuple(dict.fromkeys((account, entity)))
    converted = Converted(entities=entities, views=(view,))
    assert same(loaded(as_python(converted), tmp_path), converted)


@pytest.mark.parametrize("said", ['"""', 'it\'s "so"', "a\nb", "\\", "ü\u2028\x00", "#", "x" * 200, "'"])
def test_any_text_is_text(said: str, tmp_path: Path) -> None:
    entity = Entity("account", key=said, description=said)
    view = FeatureView(
        "profile",
        entity,
        DeltaSource(path=said, timestamp=said, created="written"),
        (Field("limit", column=said, description=said),),
        owner=said,
        description=said,
        tags={said: said},
    )
    remark = Remark(f"{said}\rimport os", said)
    converted = Converted((entity,), (view,), left_out=(remark,), changed=(remark,), origin=said)
    assert same(loaded(as_python(converted), tmp_path), converted)


def test_it_is_formatted(tmp_path: Path) -> None:
    file = tmp_path / "features.py"
    file.write_text(as_python(definitions(msgspec.json.decode(REPOSITORY, type=FeastRepository))))
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
