"""Regular expressions in RE2's syntax, through Arrow: none takes more than linear time, whatever the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 1_000


def pattern_faults(pattern: object) -> list[Fault]:
    """What is wrong with a regular expression."""
    import pyarrow as pa

    if not isinstance(pattern, str) or not 0 < len(pattern) <= _LONGEST:
        return [Fault("pattern", repr(pattern)[:80], f"give a regular expression of 1 to {_LONGEST} characters")]
    try:
        found(pa.array(["a"]), pattern)
        found(pa.array(["a"]), whole(pattern))  # an unclosed \Q is valid alone only
    except pa.ArrowInvalid as error:
        fix = f"mend it ({str(error)[:120]}); it is RE2's syntax, without look-around and back-references"
        return [Fault("pattern", repr(pattern)[:80], fix)]
    return []


def whole(pattern: str) -> str:
    """The expression for texts that match from beginning to end."""
    return rf"\A(?:{pattern})\z"


def found(column: pa.Array | pa.ChunkedArray, pattern: str) -> pa.Array | pa.ChunkedArray:
    """Whether each text has a match in it; null for null."""
    import pyarrow.compute as pc

    return pc.match_substring_regex(column, pattern)


def text_matches(text: str, pattern: str) -> bool:
    """Whether one text has a match in it."""
    import pyarrow as pa

    return bool(found(pa.array([text], pa.string()), pattern)[0].as_py())
