"""Files of runs, and what is read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from tropism.registry.tracking import Tracking


def test_a_tree_lists_the_files_of_every_depth_by_their_paths(tracking: Tracking) -> None:
    for path in ("1/r/artifacts/b.txt", "1/r/artifacts/a/z", "1/r/artifacts/a/c/d", "1/r/artifacts/a-b", "2/other"):
        tracking.files.put(path, b"x", 1)
    assert tracking.files.tree("1/r/artifacts") == ("a/c/d", "a/z", "a-b", "b.txt")
    assert tracking.files.tree()[-1] == "2/other"
    assert len(tracking.files.tree()) == 5
    assert tracking.files.tree("nix") == ()
    with pytest.raises(NotFound):
        tracking.files.get("1/r/artifacts/a")


def test_a_file_that_is_too_large_is_refused_by_name_and_not_read(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking.files.put("1/big", b"12345", 1)
    assert tracking.files.get("1/big", 5) == b"12345"
    monkeypatch.delattr(type(tracking.blobs), "get")
    with pytest.raises(InvalidInput, match=r"1/big: got .*5 bytes.*a file has at most 4"):
        tracking.files.get("1/big", 4)
