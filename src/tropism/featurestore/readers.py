"""Readers of features as they are defined at one moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tropism.features.store.reading import FeatureReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.features.online.store import OnlineStore
    from tropism.features.store.definitions import Definitions
    from tropism.features.windows import WindowStore

_MOST = 1_000
"""Sets of features whose readers are kept."""


class Readers:
    """Makes one reader for each set of features, and keeps it. Asks no registry. Safe to use from many threads."""

    def __init__(self, definitions: Definitions, stores: Callable[[], tuple[OnlineStore, WindowStore]]) -> None:
        """`stores` opens them, when the first features are read."""
        self._definitions, self._stores = definitions, stores
        self._kept: dict[tuple[str, ...], FeatureReader] = {}
        self._lock = threading.Lock()

    def kept(self, names: Sequence[str]) -> FeatureReader | None:
        """The reader of these features if there is one already; takes no time."""
        return self._kept.get(tuple(names))

    def __call__(self, names: Sequence[str]) -> FeatureReader:
        """The reader of these features, named as for `Definitions.find`.

        Raises:
            UnknownFeature: there is no such feature.
            NotReady, NotWritable, SettingInvalid, MissingExtra: a store cannot be opened.
        """
        key = tuple(names)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = FeatureReader(self._definitions, names, *self._stores())
                if len(self._kept) >= _MOST:
                    self._kept.clear()
                self._kept[key] = found
            return found
