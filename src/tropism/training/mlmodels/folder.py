"""A folder with a file `MLmodel`: what it says of the model, and the files that it names.

https://mlflow.org/docs/latest/ml/model/. Nothing in it is executed or unpickled here.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import PurePosixPath
from reprlib import repr as brief
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import ArtifactRefused, Fault, NotFound, TropismError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Read = Callable[[str], bytes]

NAME = "MLmodel"
MOST_BYTES = 256 * 2**10
MOST_FILE = 128 * 2**20
_MOST_DEPTH = 50
_NUMBERS = ("integer", "long", "float", "double")
_TENSORS = ("float", "int", "uint")


class Input(msgspec.Struct, frozen=True):
    """A column that the model takes. `type`: number, category or boolean, or what MLflow calls one that is neither.

    `name` is empty where the model takes a matrix."""

    name: str
    type: str


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What an `MLmodel` says. `flavors`: settings by name. `inputs`: of its signature; None where there is none."""

    flavors: dict[str, dict[str, Any]]
    inputs: tuple[Input, ...] | None = None
    width: int | None = None
    run_id: str = ""
    model_id: str = ""
    mlflow_version: str = ""
    example: str = ""


class ModelFolder:
    """The description, and the files by their paths within the folder."""

    def __init__(self, read: Read, described: Described | None = None) -> None:
        """`read` gives a file's content by its path. `described`: what the `MLmodel` says, if that is known.

        Raises:
            NotFound: there is no `MLmodel`.
            ArtifactRefused: it is none that can be read.
        """
        self._read = read
        self.described = describe(read(NAME)) if described is None else described

    def file(self, path: object, field: str) -> bytes:
        """A file that the `MLmodel` names in a field of a flavour.

        Raises:
            NotFound: it is not there.
            ArtifactRefused: the path leads out of the folder, or is none.
        """
        if not isinstance(path, str) or not path or not _within(path):
            raise refused(f"{NAME}: {field}", brief(path)[:80], "name a file inside of the folder")
        data = self._read(path)
        if len(data) > MOST_FILE:
            raise refused(path, f"{len(data)} bytes", f"a file has at most {MOST_FILE}")
        return data


def open_folder(folder: Path) -> ModelFolder:
    """A folder on this machine. Raises as `ModelFolder`."""
    root = folder.resolve()

    def read(path: str) -> bytes:
        found = (root / path).resolve()
        if not found.is_relative_to(root) or not found.is_file():
            fix = "name a folder that MLflow wrote" if path == NAME else "copy the whole folder"
            raise NotFound(f"'{folder}' has no file '{path}'", Fault("path", str(folder / path), fix))
        if found.stat().st_size > MOST_FILE:
            raise refused(path, f"{found.stat().st_size} bytes", f"a file has at most {MOST_FILE}")
        return found.read_bytes()

    return ModelFolder(read)


def describe(data: bytes) -> Described:
    """Reads an `MLmodel`.

    Raises:
        ArtifactRefused: it is no YAML, too long, nested too deep, or without flavours.

    >>> describe(b"flavors: {onnx: {data: model.onnx}}\\nrun_id: a1").flavors
    {'onnx': {'data': 'model.onnx'}}
    """
    if len(data) > MOST_BYTES:
        raise refused(NAME, f"{len(data)} bytes", f"it has at most {MOST_BYTES}")
    with readable(NAME, "write it as YAML"):
        return _described(_loaded(data))


def _loaded(data: bytes) -> object:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(data, Loader=loader):  # first, as the loader recurses, and in C
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MOST_DEPTH:
                raise refused(NAME, f"nested more than {_MOST_DEPTH} deep", "write it as MLflow does")
            if getattr(event, "value", "") == "<<":  # merges of merges unfold to any length
                raise refused(NAME, "a merge key, <<", "write out what it merges")
        return yaml.load(data, Loader=loader)
    except yaml.YAMLError as error:
        raise refused(NAME, str(error).replace("\n", " ")[:200], "write it as YAML") from error


def _described(found: Any) -> Described:
    flavors = found.get("flavors") if isinstance(found, dict) else None
    if not isinstance(flavors, dict) or not flavors:
        raise refused(f"{NAME}: flavors", brief(flavors)[:80], "it must name at least one flavour")
    if not all(isinstance(one, dict) for one in flavors.values()):
        raise refused(f"{NAME}: flavors", brief(flavors)[:80], "each flavour has settings by name")
    signature = found.get("signature")
    inputs, width = _inputs(signature.get("inputs") if isinstance(signature, dict) else None)
    example = found.get("saved_input_example_info")
    return Described(
        flavors={text_of(name): one for name, one in flavors.items()},
        inputs=inputs,
        width=width,
        run_id=text_of(found.get("run_id")),
        model_id=text_of(found.get("model_id")),
        mlflow_version=text_of(found.get("mlflow_version")),
        example=_example(example),
    )


def _example(said: object) -> str:
    """The input example's path, where it is a table."""
    if isinstance(said, dict) and said.get("type") == "dataframe" and said.get("pandas_orient") == "split":
        return text_of(said.get("artifact_path"))
    return ""


def _inputs(text: object) -> tuple[tuple[Input, ...] | None, int | None]:
    """The columns of a signature; for a matrix, the number of them."""
    if text is None:
        return None, None
    try:
        columns = msgspec.json.decode(text if isinstance(text, str) else "")
    except (msgspec.DecodeError, RecursionError) as error:
        raise refused(f"{NAME}: signature.inputs", brief(text)[:80], "it must be a list in JSON") from error
    if not isinstance(columns, list) or not all(isinstance(one, dict) for one in columns):
        raise refused(f"{NAME}: signature.inputs", brief(text)[:80], "it must list columns")
    if len(columns) == 1 and columns[0].get("type") == "tensor" and not columns[0].get("name"):
        shape = (columns[0].get("tensor-spec") or {}).get("shape") or []
        known = len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0
        return None, shape[1] if known else None
    return tuple(Input(str(one.get("name") or ""), _type(one)) for one in columns), None


def _type(column: dict[str, Any]) -> str:
    said = str(column.get("type"))
    if said == "tensor":
        said = str((column.get("tensor-spec") or {}).get("dtype"))
        if said.rstrip("0123456789") in _TENSORS:
            return "number"
    if said in _NUMBERS:
        return "number"
    return {"string": "category", "str": "category", "object": "category", "bool": "boolean"}.get(said, said)


def _within(path: str) -> bool:
    found = PurePosixPath(path)
    return not found.is_absolute() and ".." not in found.parts and "\\" not in path


def text_of(value: object) -> str:
    """A text or a number as text; of anything else nothing, as a list may unfold to any length.

    >>> text_of("abc"), text_of(3.1), text_of(None), text_of([1])
    ('abc', '3.1', '', '')
    """
    return str(value) if isinstance(value, str | int | float) else ""


@contextmanager
def readable(what: str, fix: str) -> Iterator[None]:
    """Raises `ArtifactRefused` for whatever a reader of malformed data trips over."""
    try:
        yield
    except TropismError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise refused(what, f"{type(error).__name__}: {error}"[:120], fix) from error


def refused(field: str, value: str, fix: str) -> ArtifactRefused:
    """The error for a folder that is not imported."""
    return ArtifactRefused("the model was not imported", Fault(field, value, fix))
