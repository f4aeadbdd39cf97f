"""What is to be done about an experiment."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Action = Literal["promote", "keep", "wait", "reject", "advance", "superseded"]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done about an experiment, and everything needed to find the same again.

    `advance`: its ramp may grow. `superseded`: its control is not the champion any more. `version`: to promote, or the
    one that this is about. `about`: the challenge of one treatment, where each has its own.
    """

    name: str
    action: Action
    version: int | None
    step: int
    evidence: dict[str, Any]
    about: str = ""
