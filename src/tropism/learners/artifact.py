"""Models at rest: a manifest and data files in a content-addressed store. Nothing stored is ever executed.

Loading goes hash first, then a strict reading of the manifest, then the allow-list of formats, then each file by
its hash, then an audit of its content; only then is anything constructed.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import msgspec

from tropism.core.courtesy import give_way
from tropism.core.errors import ArtifactRefused, ArtifactTampered, Fault
from tropism.learners.base import Shape
from tropism.learners.calibration import Calibration
from tropism.learners.encoding import MOST_CATEGORIES, Encoding, EncodingFacts
from tropism.learners.ensemble import Ensemble
from tropism.learners.formats import SINGLE_FORMATS
from tropism.learners.model import Model, Origin, Signature
from tropism.learners.onnx_model import OnnxModel
from tropism.learners.sample import FILE as SAMPLE_FILE
from tropism.learners.sample import Sample, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.learners.base import Estimator

MOST_MANIFEST = 16 * 2**20
MOST_FILE = 128 * 2**20
MOST_COLUMNS = 10_000
FORMATS: dict[str, type[Estimator]] = {**SINGLE_FORMATS, Ensemble.format: Ensemble}
"""The formats that may be loaded. Each is plain data with an audit of its own."""


class BlobStore(Protocol):
    """Bytes by the hexadecimal SHA-256 of their content."""

    def put(self, data: bytes) -> str: ...

    def get(self, digest: str) -> bytes: ...


class FileFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is known of a stored model. `metrics` is the report of its evaluation, as JSON."""

    schema: Literal[1] = 1
    signature: Signature
    origin: Origin
    encoding: EncodingFacts
    calibration: Calibration
    format: str
    files: tuple[FileFacts, ...]
    metrics: dict[str, Any] = {}


class Packed(NamedTuple):
    """A model as bytes: its manifest as JSON, and its files by name."""

    manifest: bytes
    files: dict[str, bytes]


def pack(model: Model, metrics: Mapping[str, Any] | None = None) -> Packed:
    """A model as bytes. Equal models give equal bytes."""
    files = model.estimator.export()
    if model.sample is not None:
        files[SAMPLE_FILE] = model.sample.export()
    manifest = Manifest(
        signature=model.signature,
        origin=model.origin,
        encoding=model.encoding.facts,
        calibration=model.calibration,
        format=model.estimator.format,
        files=tuple(FileFacts(name, _sha256(data), len(data)) for name, data in sorted(files.items())),
        metrics=dict(metrics or {}),
    )
    return Packed(msgspec.json.encode(manifest, order="deterministic"), files)


def store(model: Model, blobs: BlobStore, metrics: Mapping[str, Any] | None = None) -> str:
    """Puts a model into `blobs` and gives the digest of its manifest, which names everything else by hash."""
    packed = pack(model, metrics)
    for data in packed.files.values():
        blobs.put(data)
    return blobs.put(packed.manifest)


def read_manifest(digest: str, blobs: BlobStore) -> Manifest:
    """The manifest of a stored model, checked but with nothing constructed.

    Raises:
        NotFound: it is not in the store.
        ArtifactTampered: its bytes are not those that were stored.
        ArtifactRefused: it is malformed.
    """
    data = _fetch(digest, blobs, "manifest")
    if len(data) > MOST_MANIFEST:
        raise _refused("manifest", f"{len(data)} bytes", f"a manifest has at most {MOST_MANIFEST}")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused("manifest", str(error), "train the model again with this version of Tropism") from error
    _check(manifest)
    return manifest


def load(digest: str, blobs: BlobStore, *, enable_gpu: bool = False) -> Model:
    """The model whose manifest has this digest, verified by the sample that was stored with it.

    `enable_gpu`: formats that can run on a GPU do so.

    Raises:
        NotFound: the manifest or a file is not in the store.
        ArtifactTampered: some bytes are not those that were stored.
        ArtifactRefused: something is malformed, of a format that is not allowed, or could harm its reader, or it
            does not score as it did when it was trained.
        MissingExtra: its format needs a package that is not installed.
        SettingInvalid: a GPU was asked for and there is none.
    """
    manifest = read_manifest(digest, blobs)
    files = {}
    for facts in manifest.files:
        data = _fetch(facts.sha256, blobs, facts.name)
        if len(data) != facts.size:
            raise _refused(f"files.{facts.name}", f"{len(data)} bytes", f"the manifest says {facts.size}")
        files[facts.name] = data
        give_way()
    encoding = Encoding(manifest.encoding)
    shape = Shape(manifest.signature.kind, manifest.signature.outputs, encoding.width)
    kept = Sample.load(files.pop(SAMPLE_FILE), shape) if SAMPLE_FILE in files else None
    kind = FORMATS[manifest.format]
    give_way()
    if enable_gpu and issubclass(kind, OnnxModel):
        estimator: Estimator = kind.load(files, shape, enable_gpu=True)
    else:
        estimator = kind.load(files, shape)
    verified = None if kept is None else verify(estimator, kept)
    give_way()
    return Model(manifest.signature, manifest.origin, encoding, estimator, manifest.calibration, kept, verified)


def _fetch(digest: str, blobs: BlobStore, name: str) -> bytes:
    data = blobs.get(digest)
    if _sha256(data) != digest:
        fix = "restore it from a backup, or roll back and train again"
        raise ArtifactTampered(f"the {name} of a model was changed after it was stored", Fault(name, digest, fix))
    return data


def _check(manifest: Manifest) -> None:
    if manifest.format not in FORMATS:
        fix = f"only these formats are loaded: {', '.join(sorted(FORMATS))}"
        raise _refused("format", repr(manifest.format[:80]), fix)
    for facts in manifest.files:
        if not 0 <= facts.size <= MOST_FILE:
            raise _refused(f"files.{facts.name}", f"{facts.size} bytes", f"a file has at most {MOST_FILE}")
    signature = manifest.signature
    if len(set(signature.classes)) < len(signature.classes) or (signature.kind == "multiclass") != bool(
        signature.classes
    ):
        raise _refused("classes", str(signature.classes)[:80], "multiclass tasks have classes, each named once")
    if not manifest.calibration.sound(signature.kind):
        raise _refused("calibration", str(manifest.calibration)[:80], f"it is not one for {signature.kind} tasks")
    _check_encoding(manifest.encoding)


def _check_encoding(encoding: EncodingFacts) -> None:
    names = [column.name for column in encoding.columns]
    if not 0 < len(names) <= MOST_COLUMNS or len(set(names)) < len(names):
        raise _refused("encoding.columns", f"{len(names)} columns", f"1 to {MOST_COLUMNS}, each named once")
    most = MOST_CATEGORIES[encoding.style]
    for column in encoding.columns:
        where = f"encoding.{column.name}"
        if len(column.categories) > most or len(set(column.categories)) < len(column.categories):
            raise _refused(where, f"{len(column.categories)} categories", f"at most {most}, each named once")
        if not (math.isfinite(column.mean) and math.isfinite(column.scale) and column.scale > 0):
            raise _refused(where, f"mean {column.mean}, scale {column.scale}", "use finite numbers, a scale above 0")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _refused(field: str, value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the artifact was refused", Fault(field, value, fix))
