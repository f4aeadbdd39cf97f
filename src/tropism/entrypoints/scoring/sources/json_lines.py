"""JSON lines, handed out as they are: whoever scores a part reads its lines."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from tropism.core.errors import DataInvalid, Fault, InputError
from tropism.entrypoints.scoring.parts import Part
from tropism.entrypoints.scoring.sources.base import Sharing, Source
from tropism.serving.tabular.columns import CARRIED, Layout
from tropism.serving.tabular.json_lines import elements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tropism.core.task import Task
    from tropism.entrypoints.scoring.plan import Form
    from tropism.entrypoints.scoring.sources.base import Chosen

_LONGEST = 16 << 20
_LOOKED_AT = 1_000
_BOM = b"\xef\xbb\xbf"


class JsonSource(Source):
    """Which of `entity`, `unit`, `at` and the columns to keep there are, its first 1,000 rows say."""

    form: ClassVar[Form] = "json-lines"

    def __init__(self, path: Path, task: Task, chosen: Chosen) -> None:
        super().__init__(path, Layout(task.feature_names))
        seen = self._seen()
        carried = tuple(name for name in CARRIED if name in seen and name not in task.feature_names)
        kept = tuple(name for name in chosen.kept if name != "*")
        if "*" in chosen.kept:
            known = {*task.feature_names, *carried, *kept, *chosen.ignored, "features"}
            kept += tuple(name for name in seen if name not in known)
        self.layout = Layout(task.feature_names, (), carried, kept)

    def kept_fields(self) -> list[pa.Field]:
        """Text: a field may hold a number in one row and a list in the next, which is then JSON."""
        return [pa.field(name, pa.string()) for name in self.layout.kept]

    def parts(self, rows: int, wanted: Callable[[int], bool]) -> Iterator[Part]:
        size, sharing = max(self.path.stat().st_size, 1), Sharing()
        index, lines, reached = 0, list[bytes](), 0
        with self.path.open("rb") as file:
            for line in self._lines(file):
                lines.append(line)
                reached += len(line)
                if len(lines) == rows:
                    yield from self._part(index, lines, rows, sharing.share(reached / size), wanted)
                    index, lines = index + 1, []
        if lines:
            yield from self._part(index, lines, rows, sharing.share(1.0), wanted)

    def _part(
        self, index: int, lines: list[bytes], rows: int, share: float, wanted: Callable[[int], bool]
    ) -> Iterator[Part]:
        if wanted(index):
            data = memoryview(b"".join(lines))
            yield Part(index=index, first=index * rows + 1, rows=len(lines), data=data, share=share)

    def _lines(self, file: IO[bytes]) -> Iterator[bytes]:
        """Lines that hold something, each with its end."""
        number = 0
        while line := file.readline(_LONGEST + 1):
            if number == 0:
                line = line.removeprefix(_BOM)
            if not line.strip():
                continue
            number += 1
            if len(line) > _LONGEST:
                fix = "write one row a line; is this a list of rows?"
                raise DataInvalid(
                    f"{self.path}: row {number} is too long", Fault(f"row {number}", f"over {_LONGEST} bytes", fix)
                )
            yield line if line.endswith(b"\n") else line + b"\n"

    def _seen(self) -> dict[str, None]:
        """Names in the first rows. What is wrong with a row is told when it is scored."""
        names: dict[str, None] = {}
        with self.path.open("rb") as file:
            for _, line in zip(range(_LOOKED_AT), self._lines(file), strict=False):
                if not names and line.lstrip().startswith(b"["):
                    fix = 'write one row a line: {"name": value, ...}'
                    raise DataInvalid(f"{self.path} is a JSON list", Fault(self.path.name, "[", fix))
                names |= dict.fromkeys(_names(line))
        return names


def _names(line: bytes) -> list[str]:
    try:
        (found,) = elements([line])
    except InputError:
        return []
    row: dict[str, Any] = found if isinstance(found, dict) else {}
    inner = row.get("features")
    return [*row, *(inner if isinstance(inner, dict) else ())]
