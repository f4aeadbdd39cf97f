"""Applies the journal policies of tasks: what is hashed, left out or not recorded at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import Fault, NotReady

if TYPE_CHECKING:
    from tropism.core.events import Prediction, Value
    from tropism.core.task import Task
    from tropism.serving.requests import Ask

UNRECORDED = "not-recorded"
"""The kind of note on a prediction that was answered and not recorded."""
_PREFIX = "h:"


class Privacy:
    """For any thread. `secret`: what hashes are keyed with, the same in every process of a project.

    Hashes are BLAKE2b of 128 bits (RFC 7693), keyed, over the task's name, the field's and the text: equal texts
    of one field of one task have equal hashes, and nothing else can be told from them without the secret.

    >>> privacy = Privacy(b"a secret")
    >>> privacy.hashed("loans", "postcode", "1011")
    'h:1694cdc3cc2a67346ed86edf21cc14f7'
    """

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret

    def hashed(self, task: str, field: str, text: str) -> str:
        """What stands for a text.

        Raises:
            NotReady: there is no secret; nothing is recorded in clear instead.
        """
        if not self._secret:
            fault = Fault("journal.hash", field, "serve with the project's secret, which is in its state folder")
            raise NotReady("there is no secret to hash with", fault)
        content = "\0".join((task, field, text)).encode("utf-8", "surrogatepass")
        return _PREFIX + hashlib.blake2b(content, digest_size=16, key=self._secret[:64]).hexdigest()

    def asked(self, task: Task, ask: Ask) -> Ask:
        """A row with the categories hashed that its task wants hashed: what models see, and learn from."""
        return ask._replace(row=self._hidden(task, ask.row))

    def named(self, task: Task, field: str, text: str | None) -> str | None:
        """An `entity` or `unit` as it is recorded."""
        if text is None or field not in task.journal.hash:
            return text
        return self.hashed(task.name, field, text)

    def recorded(self, task: Task, event: Prediction) -> Prediction | None:
        """A prediction as it is recorded; None if it is not. Its categories were hashed before."""
        return self._concealed(task, event) if sampled(event.id, task.journal.sample) else None

    def imported(self, task: Task, event: Prediction) -> Prediction:
        """A prediction that was brought in from elsewhere, as it is recorded: always, but hashed and redacted."""
        return self._concealed(task, msgspec.structs.replace(event, features=self._hidden(task, event.features)))

    def _hidden(self, task: Task, row: dict[str, Value]) -> dict[str, Value]:
        """A row with what is hashed, hashed."""
        hidden = {}
        for name in task.journal.hash:
            value = row.get(name)
            if isinstance(value, str):
                hidden[name] = self.hashed(task.name, name, value)
        return {**row, **hidden} if hidden else row

    def _concealed(self, task: Task, event: Prediction) -> Prediction:
        return msgspec.structs.replace(
            event,
            features={**event.features, **dict.fromkeys(task.journal.redact)},
            entity=self.named(task, "entity", event.entity),
            unit=self.named(task, "unit", event.unit),
        )


def sampled(identifier: str, share: float) -> bool:
    """Whether a prediction is among the share that is recorded: decided by its id, so a retry is decided alike.

    >>> sampled("019a", 1.0), sampled("019a", 1e-9)
    (True, False)
    """
    if share >= 1:
        return True
    digest = hashlib.blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
