"""Run tracking: everything that a client of MLflow's protocol reads and writes, over one database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tropism.registry.tracking.batches import Batches
from tropism.registry.tracking.experiments import Experiments
from tropism.registry.tracking.files import Files
from tropism.registry.tracking.inputs import Inputs
from tropism.registry.tracking.logged_models import LoggedModels
from tropism.registry.tracking.metrics import Metrics
from tropism.registry.tracking.model_aliases import ModelAliases, NoPromotion, PromotionPolicy
from tropism.registry.tracking.model_versions import ModelVersions
from tropism.registry.tracking.models import Models
from tropism.registry.tracking.run_models import RunModels
from tropism.registry.tracking.run_search import RunSearch
from tropism.registry.tracking.runs import Runs

if TYPE_CHECKING:
    from tropism.registry.tracking.files import Contents
    from tropism.storage.tables import Database


@dataclass(slots=True)
class Tracking:
    """Its parts, made over a migrated database and the blobs that hold the files.

    Every write is one transaction. Those that people decide on (experiments, deletions, registered models, versions,
    aliases) leave an audit row; what runs log leaves none, for there is too much of it. Safe to use from any thread
    and from many processes. Times are µs since the epoch and always given by the caller.
    """

    db: Database
    blobs: Contents
    policy: PromotionPolicy = field(default_factory=NoPromotion)
    experiments: Experiments = field(init=False)
    runs: Runs = field(init=False)
    search: RunSearch = field(init=False)
    batches: Batches = field(init=False)
    metrics: Metrics = field(init=False)
    inputs: Inputs = field(init=False)
    files: Files = field(init=False)
    logged: LoggedModels = field(init=False)
    run_models: RunModels = field(init=False)
    models: Models = field(init=False)
    versions: ModelVersions = field(init=False)
    aliases: ModelAliases = field(init=False)

    def __post_init__(self) -> None:
        self.experiments = Experiments(self.db)
        self.runs = Runs(self.db)
        self.search = RunSearch(self.db)
        self.batches = Batches(self.db)
        self.metrics = Metrics(self.db)
        self.inputs = Inputs(self.db)
        self.files = Files(self.db, self.blobs)
        self.logged = LoggedModels(self.db)
        self.run_models = RunModels(self.db)
        self.models = Models(self.db)
        self.versions = ModelVersions(self.db)
        self.aliases = ModelAliases(self.db, self.files, self.policy)
