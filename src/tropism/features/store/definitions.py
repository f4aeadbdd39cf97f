"""What is defined, by the names that people use for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tropism.core.errors import Fault, UnknownFeature
from tropism.features.on_demand import OnDemand
from tropism.features.sources import StreamSource
from tropism.features.types import Dtype, dtype
from tropism.features.views import FeatureView

_COUNTS = ("count", "distinct")


class StoredView(NamedTuple):
    """A view and what its values are stored under, such as `spend@2`."""

    view: FeatureView
    stored: str

    @property
    def dtypes(self) -> tuple[Dtype, ...]:
        """Of its features. Aggregates over a source that declares no types are numbers, and counts whole numbers."""
        source, found = self.view.source, [field.dtype for field in self.view.plain]
        for one in self.view.aggregations:
            if one.column and isinstance(source, StreamSource):
                found.append(one.result(dtype(source.schema[one.column])))
            else:
                found.append(Dtype("integer" if one.function in _COUNTS else "number"))
        return tuple(found)


class Named(NamedTuple):
    """One feature: its name, its type, and the view that has it, None for one that is computed on demand."""

    name: str
    dtype: Dtype
    view: StoredView | None
    description: str = ""


class Definitions:
    """Views by name (the live version) and by name with version, and on-demand features by name."""

    def __init__(
        self, live: Iterable[StoredView], others: Iterable[StoredView] = (), on_demand: Iterable[OnDemand] = ()
    ) -> None:
        """`live`: the newest version of each view. `others`: older ones that are still served."""
        current = list(live)
        self.views = {one.view.name: one for one in current}
        self.versions = {one.stored: one for one in (*others, *current)}
        self.on_demand = {one.name: one for one in on_demand}

    def find(self, name: str) -> list[Named]:
        """What a name stands for: `spend` (all features of the view), `spend.count_7d`, `spend@1`,
        `spend@1.count_7d`, or an on-demand feature. Features are named without the version.

        Raises:
            UnknownFeature: nothing; says what comes near.
        """
        if name in self.on_demand:
            one = self.on_demand[name]
            return [Named(name, one.dtype, None, one.description)]
        title, _, feature = name.partition(".")
        found = self.views.get(title) or self.versions.get(title)
        if found is None or (feature and feature not in found.view.names):
            raise UnknownFeature("there is no such feature", Fault("features", repr(name)[:80], self._nearest(name)))
        fields = zip(found.view.fields, found.dtypes, strict=True)
        return [
            Named(f"{found.view.name}.{field.name}", kind, found, getattr(field, "description", ""))
            for field, kind in fields
            if feature in ("", field.name)
        ]

    def find_all(self, names: Sequence[str]) -> list[Named]:
        """Each once, in order. Raises `UnknownFeature`."""
        return list({one.name: one for name in names for one in self.find(name)}.values())

    def needs(self, one: OnDemand) -> list[Named]:
        """The features that an on-demand feature reads: those whose names stand in its function as text."""
        return [named for text in one.texts if self._known(text) for named in self.find(text)]

    def amiss(self, one: OnDemand) -> list[Fault]:
        """The texts in its function that can only be meant as features, of a view that does not have them."""
        parts = ((text, *text.partition(".")) for text in one.texts)
        found = [text for text, title, _, name in parts if name.isidentifier() and self._lacks(title, name)]
        return [Fault(f"on_demand.{one.name}", repr(text)[:80], self._nearest(text)) for text in found]

    def _lacks(self, title: str, feature: str) -> bool:
        return title in self.views and feature not in self.views[title].view.names

    def _known(self, text: str) -> bool:
        title, _, feature = text.partition(".")
        return bool(feature) and title in self.views and feature in self.views[title].view.names

    def _nearest(self, name: str) -> str:
        there = [f"{title}.{one}" for title, found in self.views.items() for one in found.view.names]
        there += [*self.views, *self.on_demand]
        close = difflib.get_close_matches(name, there, n=1)
        if close:
            return f"did you mean '{close[0]}'?"
        return f"use one of: {', '.join(sorted(there))[:300]}" if there else "declare it in project.py, then apply it"
