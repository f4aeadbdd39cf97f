from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tropism.core.errors import SettingInvalid
from tropism.storage.lake import LakeSettings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("keep_versions", "soon"),
        ("keep_versions", "5s"),
        ("target_file_bytes", 5),
        ("compact_after", 1),
        ("checkpoint_every", 0),
    ],
)
def test_impossible_values_are_named(setting: str, value: Any) -> None:
    with pytest.raises(SettingInvalid, match=f"lake.{setting}"):
        LakeSettings(**{setting: value})


def test_the_package_is_imported_without_its_heavy_libraries() -> None:
    code = "import sys, tropism.storage.lake; sys.exit(bool({'pyarrow', 'deltalake'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
