"""Settings of training."""

from __future__ import annotations

import msgspec


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one training job.

    `timeout`: wall-clock time before it is stopped. `memory_mb`: address space it may take. `attempts`: tries
    before a training that keeps dying is given up.
    """

    timeout: str = "30m"
    memory_mb: int = 8_192
    attempts: int = 3
