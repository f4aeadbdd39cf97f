"""Our data plane, as `tropism up` runs it: python tropism_app.py PROJECT [--without-journal]

Without the journal is only for measuring what the journal costs: nothing is encoded, written or flushed, and a
prediction is answered that nobody can find again. That is why it is a switch of this benchmark and not a setting.
"""

from __future__ import annotations

import sys

from tropism.config import load_settings
from tropism.entrypoints.api.run import run_data_plane


class Forgetful:
    """A journal that keeps nothing, and acknowledges at once."""

    name = "none"

    def append(self, payloads: list[bytes]) -> int:  # noqa: ARG002
        return 0

    def flushing(self, seq: int) -> None:  # noqa: ARG002
        return None

    def close(self) -> None:
        return None


def forget() -> None:
    """Takes the journal out of the data plane of this process."""
    from tropism.serving import recording
    from tropism.wiring import Platform

    for owner, name, stand_in in ((Platform, "journal", lambda _: Forgetful()), (recording, "encode", lambda _: b"")):
        assert hasattr(owner, name), f"{owner} no longer has '{name}': the journal would be measured against itself"
        setattr(owner, name, stand_in)


if __name__ == "__main__":
    if "--without-journal" in sys.argv:
        forget()
    run_data_plane(load_settings(sys.argv[1]))
