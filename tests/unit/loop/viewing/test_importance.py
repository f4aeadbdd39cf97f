from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tropism.learners.model import Model
from tropism.loop.viewing import importance
from tropism.loop.viewing.importance import importance_of

Make = Callable[..., Any]


def test_a_model_that_tells_is_asked(stand: Make) -> None:
    one = stand()
    assert importance_of(one.sources, one.task, None).note == "there is no champion yet"
    found = importance_of(one.sources, one.task, one.train())
    assert found.source == "model"
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares["a"] == max(found.shares.values())


def test_one_that_does_not_is_permuted_once_a_version(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "importance", lambda self: dict.fromkeys(("a", "b", "c"), 0.0))
    one = stand()
    version = one.train()
    one.serve(50)
    one.look()
    assert "of the 100" in importance_of(one.sources, one.task, version).note
    one.serve(250)
    one.look()
    found = importance_of(one.sources, one.task, version)
    assert (found.source, found.rows) == ("permutation", 300)
    assert found.shares["a"] > 0.8
    monkeypatch.setattr(importance, "permutation_importance", None)
    assert importance_of(one.sources, one.task, version) == found
    with pytest.raises(TypeError):
        importance_of(replace(one.sources, kept=None), one.task, version)


def test_a_model_that_cannot_be_loaded_leaves_the_rest_of_a_view(stand: Make) -> None:
    one = stand()
    version = one.train()
    artifact = one.platform.registry.versions.get("world", version).artifact
    folder = one.platform.settings.folder
    for path in folder.glob(f"blobs/**/{artifact[:2]}*/*"):
        path.unlink()
    for path in folder.glob(f"blobs/**/*{artifact}*"):
        path.unlink()
    found = importance_of(one.sources, one.task, version)
    assert (found.source, found.shares) == ("none", {}) and found.note


def test_a_version_in_quarantine_is_not_loaded(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stand()
    version = one.train()
    one.platform.registry.quarantine.put("world", version, reason="crashed", now=one.now, actor="ann", evidence={})
    monkeypatch.setattr(importance, "load_model", None)
    assert "quarantine" in importance_of(one.sources, one.task, version).note
