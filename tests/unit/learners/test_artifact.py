from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused, ArtifactTampered
from tropism.core.task import Task
from tropism.learners import artifact
from tropism.learners.artifact import load, pack, read_manifest, store
from tropism.learners.base import Dataset
from tropism.learners.calibration import Isotonic, Platt, Temperature
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.learners.sample import Sample


@pytest.fixture
def model(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> Model:
    return fit_model(make_task("binary"), "lightgbm", make_data("binary"), parameters={"num_trees": 4})


def edited(blobs: Any, digest: str, change: Callable[[dict[str, Any]], None]) -> str:
    """Stores a changed manifest under its own, right hash: what somebody with write access could do."""
    manifest = msgspec.json.decode(blobs.get(digest))
    change(manifest)
    return str(blobs.put(msgspec.json.encode(manifest)))


def refuse(blobs: Any, digest: str, change: Callable[[dict[str, Any]], None]) -> str:
    with pytest.raises(ArtifactRefused) as caught:
        load(edited(blobs, digest, change), blobs)
    return caught.value.faults[0].field


def test_the_manifest_tells_all_there_is_to_know(model: Model, blobs: Any) -> None:
    report = {"log_loss": {"value": 0.3, "low": 0.2, "high": 0.4}}
    manifest = read_manifest(store(model, blobs, report), blobs)
    assert manifest.schema == 1
    assert (manifest.signature.task, manifest.signature.kind, manifest.signature.classes) == ("shop", "binary", ())
    assert [(c.name, c.type) for c in manifest.encoding.columns][2:] == [("city", "category"), ("new", "boolean")]
    assert manifest.encoding.columns[2].categories == ("c0", "c1", "c2", "c3", "c4")
    assert manifest.origin == model.origin
    assert manifest.format == "lightgbm-text"
    assert manifest.metrics == report
    kept = {facts.name: blobs.get(facts.sha256) for facts in manifest.files}
    assert model.sample is not None
    assert kept == {**model.estimator.export(), "sample.safetensors": model.sample.export()}


@pytest.mark.parametrize("calibration", [Platt(0.7, 0.1), Isotonic((0.1, 0.7), (0.2, 0.9))])
def test_calibration_travels_with_the_model(
    calibration: Platt | Isotonic, model: Model, blobs: Any, make_data: Callable[..., Dataset]
) -> None:
    calibrated = model.with_calibration(calibration)
    again = load(store(calibrated, blobs), blobs)
    features = make_data("binary", seed=1).features
    assert again.predict(features).tobytes() == calibrated.predict(features).tobytes()
    assert pack(again).manifest == pack(calibrated).manifest


def test_a_changed_byte_in_any_blob_is_named(model: Model, blobs: Any) -> None:
    digest = store(model, blobs)
    files = {facts.name: facts.sha256 for facts in read_manifest(digest, blobs).files}
    assert len(blobs) == 3
    for name, key in (("manifest", digest), *files.items()):
        sound = blobs[key]
        for place in (0, len(sound) // 2, len(sound) - 1):
            blobs[key] = sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :]
            with pytest.raises(ArtifactTampered) as caught:
                load(digest, blobs)
            assert (caught.value.faults[0].field, caught.value.faults[0].value) == (name, key)
        blobs[key] = sound
    load(digest, blobs)


def swap_file(blobs: Any, data: bytes) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"] = [{"name": "model.txt", "sha256": blobs.put(data), "size": len(data)}]

    return change


def test_a_file_swapped_with_its_hash_still_meets_the_audit(model: Model, blobs: Any) -> None:
    digest = store(model, blobs)
    text = model.estimator.export()["model.txt"]
    assert refuse(blobs, digest, swap_file(blobs, text[:-200])).startswith("Tree=")
    assert refuse(blobs, digest, swap_file(blobs, text.replace(b"threshold=", b"threshold=nan ", 1))) != ""
    refuse(blobs, digest, swap_file(blobs, b"\x80\x04\x95cbuiltins\nexec\n"))
    load(edited(blobs, digest, swap_file(blobs, text)), blobs)


@pytest.mark.parametrize("name", ["pickle", "joblib", "onnx", "safetensors", "constant", "", "lightgbm-text "])
def test_any_format_but_its_own_is_refused(name: str, model: Model, blobs: Any) -> None:
    refuse(blobs, store(model, blobs), lambda manifest: manifest.update(format=name))


def test_nothing_is_fetched_for_a_format_that_is_not_allowed(model: Model, blobs: Any) -> None:
    digest = edited(blobs, store(model, blobs), lambda manifest: manifest.update(format="pickle"))
    manifest = blobs[digest]
    blobs.clear()
    blobs[digest] = manifest
    with pytest.raises(ArtifactRefused, match="only these formats"):
        load(digest, blobs)


CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda m: m.update(schema=2),
    lambda m: m.update(hook="os.system"),
    lambda m: m.pop("encoding"),
    lambda m: m["origin"].update(code="x"),
    lambda m: m["signature"].update(kind="ranking"),
    lambda m: m["signature"].update(kind="multiclass", classes=["a", "a"]),
    lambda m: m["signature"].update(kind="multiclass"),
    lambda m: m["signature"].update(classes=["a", "b"]),
    lambda m: m["signature"].update(kind="regression"),
    lambda m: m["calibration"].update(type="lambda"),
    lambda m: m.update(calibration={"type": "platt", "slope": -1.0, "intercept": 0.0}),
    lambda m: m.update(calibration={"type": "temperature", "temperature": 1.0}),
    lambda m: m["encoding"].update(columns=[]),
    lambda m: m["encoding"].update(style="standard"),
    lambda m: m["encoding"]["columns"].append(m["encoding"]["columns"][0]),
    lambda m: m["encoding"]["columns"].pop(),
    lambda m: m["encoding"]["columns"][0].update(scale=0.0),
    lambda m: m["encoding"]["columns"][2].update(categories=["a", "a"]),
    lambda m: m["encoding"]["columns"][2].update(categories=[str(i) for i in range(2_000)]),
    lambda m: m["files"][0].update(size=10**15),
    lambda m: m["files"][0].update(size=5),
    lambda m: m["files"][0].update(name="other.txt"),
    lambda m: m.update(files=[]),
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_malformed_manifest_is_refused(change: Callable[[dict[str, Any]], Any], model: Model, blobs: Any) -> None:
    refuse(blobs, store(model, blobs), change)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b'{"schema":1}', b'{"metrics":{"a":' + b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(data: bytes, blobs: Any) -> None:
    with pytest.raises(ArtifactRefused):
        load(blobs.put(data), blobs)


def test_an_absurdly_long_manifest_is_refused(model: Model, blobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store(model, blobs)
    monkeypatch.setattr(artifact, "MOST_MANIFEST", 100)
    with pytest.raises(ArtifactRefused, match="at most 100"):
        load(digest, blobs)


def test_equal_models_have_equal_digests(
    model: Model, blobs: Any, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    twin = fit_model(make_task("binary"), "lightgbm", make_data("binary"), parameters={"num_trees": 4})
    assert store(twin, blobs) == store(model, blobs)
    assert store(model, blobs) == hashlib.sha256(pack(model).manifest).hexdigest()


def test_temperature_belongs_to_multiclass(
    blobs: Any, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    data = make_data("multiclass")
    model = fit_model(make_task("multiclass"), "linear", data).with_calibration(Temperature(1.5))
    again = load(store(model, blobs), blobs)
    np.testing.assert_array_equal(again.predict(data.features), model.predict(data.features))


def test_a_loaded_model_says_how_far_it_is_from_its_training_framework(model: Model, blobs: Any) -> None:
    assert model.verified is None
    again = load(store(model, blobs), blobs)
    assert again.verified is not None
    assert (again.verified.rows, again.verified.difference, again.verified.batch_difference) == (32, 0.0, 0.0)
    assert again.with_calibration(Platt(0.7, 0.1)).verified == again.verified


def test_a_model_without_a_sample_still_loads(model: Model, blobs: Any) -> None:
    def without(manifest: dict[str, Any]) -> None:
        manifest["files"] = [facts for facts in manifest["files"] if facts["name"] == "model.txt"]

    again = load(edited(blobs, store(model, blobs), without), blobs)
    assert again.verified is None
    rows = [{"x": 1.0}]
    np.testing.assert_array_equal(again.predict_rows(rows), model.predict_rows(rows))


def test_a_model_that_scores_otherwise_than_in_training_is_refused(model: Model, blobs: Any) -> None:
    assert model.sample is not None
    moved = Sample(model.sample.matrix, lambda matrix: model.estimator.predict(matrix) + 1e-9)

    def swap(manifest: dict[str, Any]) -> None:
        data = moved.export()
        facts = next(facts for facts in manifest["files"] if facts["name"] == "sample.safetensors")
        facts.update(sha256=blobs.put(data), size=len(data))

    with pytest.raises(ArtifactRefused, match="when it was trained") as caught:
        load(edited(blobs, store(model, blobs), swap), blobs)
    assert caught.value.faults[0].value == "1e-09 apart"


def test_the_sample_is_kept_through_a_second_store(model: Model, blobs: Any) -> None:
    digest = store(model, blobs)
    assert store(load(digest, blobs), blobs) == digest
