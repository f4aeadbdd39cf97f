"""Flags that a project declares: checked among those there are, then stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.core.flag import Flag
    from tropism.featurestore.applying import Applied
    from tropism.registry.flags import Flags, StoredFlag


def require_sound(store: Flags, path: Path, declared: Sequence[Flag]) -> None:
    """Raises: ProjectInvalid: one makes no sense among those there are, such as one that needs itself."""
    from tropism.core.errors import InvalidInput
    from tropism.core.flag import check_flag
    from tropism.project import refusal_of

    if not declared:
        return
    known = {one.flag.key: one.flag for one in store.all()} | {one.key: one for one in declared}
    for one in declared:
        try:
            check_flag(one, known)
        except InvalidInput as error:
            raise refusal_of(path, one, error) from error


def declare(store: Flags, declared: Sequence[Flag], now: int) -> list[Applied]:
    """Stores them; what that did to each."""
    from tropism.featurestore.applying import Applied

    if not declared:
        return []
    pairs = zip(declared, store.declare(declared, actor="project", now=now), strict=True)
    return [Applied(f"flag {one.key}", _status(one, *stored)) for one, stored in pairs]


def _status(declared: Flag, before: StoredFlag | None, after: StoredFlag) -> str:
    flag = after.flag
    same = before is not None and before.revision == after.revision
    status = "created" if before is None else "unchanged" if same else "changed"
    if flag.killed and not declared.killed:
        return f"{status}; it stays killed: end that by tropism flags kill {flag.key} --undo"
    if declared.enabled and not flag.enabled:
        return f"{status}; it stays off: tropism flags toggle {flag.key} on"
    return status
