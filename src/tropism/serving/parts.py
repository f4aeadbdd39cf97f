"""What answering requests needs. Built once a process, shared by predictions and outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.serving.feature_cache import FeatureCache
from tropism.serving.mirroring import Mirroring
from tropism.serving.prediction_cache import PredictionCache
from tropism.serving.privacy import Privacy
from tropism.serving.publishing import Nobody, Publisher
from tropism.serving.requests import Limits

if TYPE_CHECKING:
    from tropism.core.clock import Clock
    from tropism.core.identity import Identifiers
    from tropism.serving.meters import Meters
    from tropism.serving.model_cache import ModelCache
    from tropism.serving.recording import Recorder
    from tropism.serving.settings import HttpSettings
    from tropism.serving.snapshot import SnapshotHolder


class Parts(NamedTuple):
    """For one event loop."""

    holder: SnapshotHolder
    recorder: Recorder
    clock: Clock
    identifiers: Identifiers
    settings: HttpSettings
    meters: Meters
    publisher: Publisher = Nobody()
    models: ModelCache | None = None
    """Versions that are not live; None where only live ones may be asked for."""
    privacy: Privacy = Privacy(None)
    mirroring: Mirroring = Mirroring(None)
    """Sends rows to the treatments of experiments that mirror them; nobody if it has no meters."""

    def prediction_cache(self) -> PredictionCache | None:
        """What keeps scores, if that is wanted."""
        ttl = parse_duration(self.settings.prediction_cache_ttl, "http.prediction_cache_ttl") / SECOND
        size = self.settings.prediction_cache
        return PredictionCache(size, ttl) if size and ttl else None

    def feature_cache(self) -> FeatureCache | None:
        """What keeps features, if that is wanted."""
        ttl = parse_duration(self.settings.feature_cache_ttl, "http.feature_cache_ttl") / SECOND
        return FeatureCache(ttl) if ttl else None

    def limits(self) -> Limits:
        """What a request may hold."""
        tolerance = parse_duration(self.settings.future_tolerance, "http.future_tolerance")
        return Limits(self.settings.max_rows, tolerance)
