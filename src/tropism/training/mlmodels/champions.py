"""Champions by MLflow's alias: what a registered model's files become, and the task's policy that they pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import (
    ArtifactRefused,
    ArtifactTampered,
    Conflict,
    InvalidInput,
    MissingExtra,
    NotFound,
    PolicyRefused,
    SettingInvalid,
)
from tropism.core.identity import Identifiers, task_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.clock import Clock
    from tropism.registry import Registry
    from tropism.storage.blobs import Blobs

_UNFIT = (ArtifactRefused, ArtifactTampered, InvalidInput, MissingExtra, NotFound, SettingInvalid)


class Champions:
    """The promotion policy of run tracking: a `PromotionPolicy` over a project's registry.

    Nobody is taken to have approved anything: where the task's policy asks for an approval, it has to be given first.
    """

    def __init__(self, registry: Registry, blobs: Blobs, clock: Clock) -> None:
        self._registry, self._blobs, self._clock = registry, blobs, clock
        self._identifiers = Identifiers()

    def bring(self, task: str, read: Callable[[str], bytes], source: str, actor: str) -> int:
        """The number of the task's version that a folder became.

        Raises:
            UnknownTask: there is no such task.
            InvalidInput: the folder cannot be read without running code, or does not fit the task; says why.
        """
        from tropism.training.mlmodels.building import import_folder, require_features
        from tropism.training.mlmodels.folder import ModelFolder
        from tropism.training.mlmodels.registering import register_imported

        found = self._registry.tasks.get(task)
        try:
            require_features(found)
            imported = import_folder(ModelFolder(read), found)
            now = self._clock.now()
            return register_imported(self._registry, self._blobs, found, imported, now=now, actor=actor, source=source)
        except _UNFIT as error:
            raise InvalidInput(
                f"this version cannot be champion of '{task}': {error.message}", *error.faults
            ) from error

    def promote(self, task: str, version: int, actor: str) -> None:
        """Makes a version the champion by the task's policy, unless it is.

        Raises:
            PolicyRefused: it may not be; says why, and what would pass. The version stays a candidate.
        """
        registry, now = self._registry, self._clock.now()
        champion = registry.aliases.get(task, "champion")
        if champion == version:
            return
        policy = registry.tasks.get(task).policy
        waiting = [one for one in registry.approvals.open(task) if one.version == version]
        decision = waiting[0].decision_id if waiting else self._identifiers.new(now, task_tag(task))
        try:
            registry.promotion.promote(
                task,
                version,
                expected=champion,
                actor=actor,
                decision_id=decision,
                policy=policy,
                now=now,
                evidence={"comparison": "none", "reason": f"the alias was set by {actor}"},
            )
        except (Conflict, PolicyRefused) as error:
            said = f"it is version {version} of '{task}' and not its champion: {error.message}"
            raise PolicyRefused(said, *error.faults) from error
