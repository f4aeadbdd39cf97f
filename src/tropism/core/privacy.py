"""What of a task's predictions is recorded, where not all of it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLER_FIELDS = ("entity", "unit")
"""What a request names beside its features, and may be hashed like a category."""


class JournalPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is recorded of a task's predictions.

    `sample`: share of predictions that are recorded, above 0 and up to 1; the others are answered all the same, and
    their replies say so. `redact`: features that are recorded as missing. Models that the loop trains do not use
    them, as nothing can be learnt from what is not there. `hash`: categories, and `entity` and `unit` of a request,
    that are replaced by a keyed hash before anything else is done with them; models learn and answer by the hashes.

    >>> JournalPolicy(sample=0.1, redact=("income",), hash=("postcode", "entity")).sample
    0.1
    """

    sample: float = 1.0
    redact: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()


def journal_faults(policy: JournalPolicy, features: Mapping[str, str]) -> list[Fault]:
    """What is wrong with a policy of a task with these features, their types by name."""
    faults = []
    if not 0 < policy.sample <= 1:
        faults.append(Fault("journal.sample", str(policy.sample), "use a share above 0 and up to 1, such as 0.1"))
    for name in policy.redact:
        if name not in features:
            faults.append(Fault("journal.redact", repr(name), f"name features of the task: {', '.join(features)}"))
    if features and set(policy.redact) >= set(features):
        faults.append(Fault("journal.redact", "every feature", "leave at least one to learn from"))
    hashable = [name for name, kind in features.items() if kind == "category"]
    for name in policy.hash:
        if name in policy.redact:
            faults.append(Fault("journal.hash", repr(name), "either redact it or hash it"))
        elif name in CALLER_FIELDS and name in features:
            fix = f"rename the feature: it could be the feature or the request's {name}"
            faults.append(Fault("journal.hash", repr(name), fix))
        elif name not in (*hashable, *CALLER_FIELDS):
            known = ", ".join([*hashable, *CALLER_FIELDS])
            faults.append(Fault("journal.hash", repr(name), f"only texts are hashed; use some of: {known}"))
    for field, names in (("redact", policy.redact), ("hash", policy.hash)):
        faults += [
            Fault(f"journal.{field}", repr(name), "name it once")
            for name in sorted(set(names))
            if names.count(name) > 1
        ]
    return faults
