"""Lets LightGBM find an OpenMP runtime in this virtual environment on a Linux that has none.

LightGBM's wheel needs `libgomp.so.1` from the system; small images of Linux lack it. scikit-learn's wheel carries the
same library under a name of its own. Where the system has none, this puts a copy under the usual name into the
environment, and a `.pth` file that loads it when Python starts. Elsewhere it does nothing.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from pathlib import Path

NAME = "libgomp.so.1"


def main() -> int:
    if not sys.platform.startswith("linux") or _loads(NAME):
        return 0
    site = Path(sysconfig.get_path("purelib"))
    bundled = next(iter(sorted((site / "scikit_learn.libs").glob("libgomp-*.so*"))), None)
    if bundled is not None:
        copy = site / "tropism_openmp" / NAME
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(renamed(bundled.read_bytes(), bundled.name))
        if _loads(str(copy)):
            (site / "tropism_openmp.pth").write_text(f"import ctypes; ctypes.CDLL({str(copy)!r})\n")
            print(f"no {NAME} on this system: using the copy that comes with scikit-learn")
            return 0
    print(f"error: LightGBM needs {NAME}, the OpenMP runtime, and this system has none", file=sys.stderr)
    print("  install it: apt-get install libgomp1 (Debian, Ubuntu), or dnf install libgomp (Fedora)", file=sys.stderr)
    return 1


def renamed(library: bytes, name: str) -> bytes:
    """The library with its own name (DT_SONAME) changed to the usual one, by which the loader looks for it."""
    old, new = name.encode() + b"\0", NAME.encode() + b"\0"
    return library.replace(old, new.ljust(len(old), b"\0"))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
