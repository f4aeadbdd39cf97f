"""The registry: everything that has identity and state, over one database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tropism.registry.aliases import Aliases
from tropism.registry.approvals import Approvals
from tropism.registry.audit import Audit
from tropism.registry.bandits import Bandits
from tropism.registry.challenges import Challenges
from tropism.registry.decisions import Decisions
from tropism.registry.experiments import Experiments
from tropism.registry.features import Features
from tropism.registry.flags import Flags
from tropism.registry.jobs import Jobs
from tropism.registry.leases import Leases
from tropism.registry.progress import Progress
from tropism.registry.promotion import Promotion
from tropism.registry.quarantine import Quarantine
from tropism.registry.tasks import Tasks
from tropism.registry.versions import Versions

if TYPE_CHECKING:
    from tropism.registry.versions import Artifacts
    from tropism.storage.tables import Database


@dataclass(slots=True)
class Registry:
    """Its parts, made over a migrated database and the blobs that hold the artifacts.

    Every write is one transaction, and all but those of jobs, leases, progress and lineage leave an audit row. Safe
    to use from any thread and from many processes. Times are µs since the epoch and always given by the caller.
    """

    db: Database
    blobs: Artifacts
    tasks: Tasks = field(init=False)
    versions: Versions = field(init=False)
    aliases: Aliases = field(init=False)
    promotion: Promotion = field(init=False)
    quarantine: Quarantine = field(init=False)
    decisions: Decisions = field(init=False)
    challenges: Challenges = field(init=False)
    approvals: Approvals = field(init=False)
    audit: Audit = field(init=False)
    experiments: Experiments = field(init=False)
    bandits: Bandits = field(init=False)
    features: Features = field(init=False)
    flags: Flags = field(init=False)
    jobs: Jobs = field(init=False)
    leases: Leases = field(init=False)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = Tasks(self.db)
        self.versions = Versions(self.db, self.blobs)
        self.aliases = Aliases(self.db)
        self.promotion = Promotion(self.db)
        self.quarantine = Quarantine(self.db)
        self.decisions = Decisions(self.db)
        self.challenges = Challenges(self.db)
        self.approvals = Approvals(self.db)
        self.audit = Audit(self.db)
        self.experiments = Experiments(self.db)
        self.bandits = Bandits(self.db)
        self.features = Features(self.db)
        self.flags = Flags(self.db)
        self.jobs = Jobs(self.db)
        self.leases = Leases(self.db)
        self.progress = Progress(self.db)
