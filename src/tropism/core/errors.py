"""Every error Tropism raises on purpose.

    TropismError
    ├── InputError            the caller sent something that cannot be used
    │   ├── InvalidInput      invalid-input        a field has the wrong shape, type or value
    │   │   ├── MissingFeature    missing-feature
    │   │   ├── UnknownFeature    unknown-feature
    │   │   └── InvalidOutcome    invalid-outcome
    │   ├── MalformedBody     malformed-body       not JSON at all
    │   ├── TooLarge          too-large            body or row count above the limit
    │   ├── NotFound          not-found
    │   │   ├── UnknownTask       unknown-task
    │   │   ├── UnknownModel      unknown-model
    │   │   ├── UnknownVersion    unknown-version
    │   │   └── UnknownDecision   unknown-decision
    │   ├── Conflict          conflict             somebody else moved it first, or it would break history
    │   ├── PolicyRefused     policy-refused       a gate or an approval said no
    │   └── RateLimited       rate-limited         this caller has used up what it may ask for
    ├── SetupError            the project, the settings or the machine need a change
    │   ├── ProjectInvalid    project-invalid
    │   ├── SettingInvalid    setting-invalid
    │   ├── DataInvalid       data-invalid         a data file cannot be used
    │   ├── PortInUse         port-in-use
    │   ├── NotWritable       not-writable
    │   └── MissingExtra      missing-extra        an optional dependency is not installed
    ├── IntegrityError        something stored is not what was written
    │   ├── ArtifactTampered  artifact-tampered
    │   ├── ArtifactRefused   artifact-refused     the artifact could run code or is malformed
    │   ├── AuditTampered     audit-tampered
    │   └── JournalCorrupt    journal-corrupt
    ├── DiskFull              disk-full
    ├── NotReady              not-ready            starting up, or a part is away for the moment
    │   └── Overloaded        overloaded           more is being worked on than can be, or it would come too late
    └── TrainingFailed        training-failed

`code` is stable and part of the public interface; `docs/errors.md` explains each one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: which field, what was there, and what to do about it."""

    field: str
    value: str
    fix: str


class TropismError(Exception):
    """Base of the tree. `message` says what happened, each `Fault` what to change.

    >>> error = UnknownTask("there is no task 'prise'", Fault("task", "prise", "use one of: price"))
    >>> error.code, error.faults[0].fix
    ('unknown-task', 'use one of: price')
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *faults: Fault) -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults

    def __str__(self) -> str:
        lines = [self.message]
        lines += [f"  {f.field}: got {f.value}; {f.fix}" if f.value else f"  {f.field}: {f.fix}" for f in self.faults]
        return "\n".join(lines)


class InputError(TropismError):
    code = "input-error"


class InvalidInput(InputError):
    code = "invalid-input"


class MissingFeature(InvalidInput):
    code = "missing-feature"


class UnknownFeature(InvalidInput):
    code = "unknown-feature"


class InvalidOutcome(InvalidInput):
    code = "invalid-outcome"


class MalformedBody(InputError):
    code = "malformed-body"


class TooLarge(InputError):
    code = "too-large"


class NotFound(InputError):
    code = "not-found"


class UnknownTask(NotFound):
    code = "unknown-task"


class UnknownModel(NotFound):
    code = "unknown-model"


class UnknownVersion(NotFound):
    code = "unknown-version"


class UnknownDecision(NotFound):
    code = "unknown-decision"


class Conflict(InputError):
    code = "conflict"


class PolicyRefused(InputError):
    code = "policy-refused"


class RateLimited(InputError):
    code = "rate-limited"


class SetupError(TropismError):
    code = "setup-error"


class ProjectInvalid(SetupError):
    code = "project-invalid"


class SettingInvalid(SetupError):
    code = "setting-invalid"


class DataInvalid(SetupError):
    code = "data-invalid"


class PortInUse(SetupError):
    code = "port-in-use"


class NotWritable(SetupError):
    code = "not-writable"


class MissingExtra(SetupError):
    code = "missing-extra"


class IntegrityError(TropismError):
    code = "integrity-error"


class ArtifactTampered(IntegrityError):
    code = "artifact-tampered"


class ArtifactRefused(IntegrityError):
    code = "artifact-refused"


class AuditTampered(IntegrityError):
    code = "audit-tampered"


class JournalCorrupt(IntegrityError):
    code = "journal-corrupt"


class DiskFull(TropismError):
    code = "disk-full"


class NotReady(TropismError):
    code = "not-ready"


class Overloaded(NotReady):
    code = "overloaded"


class TrainingFailed(TropismError):
    code = "training-failed"
