"""Several estimators that answer as one, stored as their own files and `ensemble.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import msgspec
import numpy as np

from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.base import Estimator
from tropism.learners.encoding import EncodingFacts
from tropism.learners.ensemble_choosing import ByCode, ByRange
from tropism.learners.ensemble_combining import Average, Stack, Votes
from tropism.learners.ensemble_parts import MOST_MEMBERS, AsTrained, Member
from tropism.learners.ensemble_spreading import Spreading, sound
from tropism.learners.formats import SINGLE_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.learners.base import Floats, Shape, Times

FILE = "ensemble.json"
Combination = Average | Votes | Stack | ByRange | ByCode


class MemberFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stored member. Its files are those of its format, in a folder named after its place.

    `encoding`: how it spreads the ensemble's codes, see `ensemble_spreading`; None where it takes them as they are.
    """

    learner: str
    format: str
    files: tuple[str, ...]
    encoding: EncodingFacts | None


class EnsembleFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    members: tuple[MemberFacts, ...]
    combination: Combination


class Ensemble(Estimator):
    """Members over one matrix in style `codes`. A member of any single format, never another ensemble.

    Members that go on learning (`Updatable`) stand still in here.
    """

    format: ClassVar[str] = "ensemble"
    tolerance: ClassVar[float] = 1e-3
    """A stack may magnify what a member's format is allowed: single precision, read as log-odds."""

    def __init__(self, members: Sequence[Member], combination: Combination, shape: Shape) -> None:
        """Members and combination must have passed `load`'s audit, or come from a learner."""
        self.members, self.combination, self._shape = tuple(members), combination, shape
        self.exact_batches = all(member.estimator.exact_batches for member in members)
        if any(member.estimator.framework is not None for member in members):
            self.framework = self._as_trained

    @classmethod
    def of(cls, members: Sequence[Member], combination: Combination, shape: Shape) -> Ensemble:
        """An ensemble; with a short way for one row when each member has one."""
        return (QuickEnsemble if all(member.quick for member in members) else Ensemble)(members, combination, shape)

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Self:
        facts = _facts(files)
        _check(facts, files, shape)
        members = [_load_member(number, member, files, shape) for number, member in enumerate(facts.members)]
        return cls.of(members, facts.combination, shape)  # type: ignore[return-value]

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats of its members."""
        return tuple(sorted({member.estimator.format for member in self.members}))

    def _as_trained(self, matrix: Floats) -> Floats:
        members = [AsTrained(member.learner, member.estimator, member.spreading) for member in self.members]
        return self.combination.predict(members, matrix, None, self._shape)

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:
        return self.combination.predict(self.members, matrix, at, self._shape)

    def contributions(self, matrix: Floats, at: Times | None = None) -> Floats:
        """Contributions (n, outputs, width + 1). Raises `InvalidInput` unless raw scores are a sum over members."""
        return self.combination.contributions(self.members, matrix, at, self._shape)

    def importance(self) -> Floats:
        """The members' shares, by how much each member counts."""
        counts = self.combination.shares(len(self.members))
        shares = [count * m.importance(self._shape.width) for count, m in zip(counts, self.members, strict=True)]
        total: Floats = np.sum(shares, axis=0)
        return total

    def export(self) -> dict[str, bytes]:
        facts, out = [], {}
        for number, member in enumerate(self.members):
            files = member.estimator.export()
            out.update({f"{number}/{name}": data for name, data in files.items()})
            encoding = None if member.spreading is None else member.spreading.facts
            facts.append(MemberFacts(member.learner, member.estimator.format, tuple(sorted(files)), encoding))
        out[FILE] = msgspec.json.encode(EnsembleFacts(tuple(facts), self.combination))
        return out


class QuickEnsemble(Ensemble):
    """An ensemble whose members all have a short way for one row."""

    def score(self, values: Sequence[float]) -> Floats:
        return self.combination.score(self.members, values, self._shape)


def _facts(files: Mapping[str, bytes]) -> EnsembleFacts:
    if FILE not in files:
        raise _refused("files", str(sorted(files))[:200], f"keep {FILE}")
    try:
        return msgspec.json.decode(files[FILE], type=EnsembleFacts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(FILE, str(error), "train it again with this version of Tropism") from error


def _check(facts: EnsembleFacts, files: Mapping[str, bytes], shape: Shape) -> None:
    """All that can be known before a member is constructed; each then audits its own files."""
    if not 0 < len(facts.members) <= MOST_MEMBERS:
        raise _refused("members", str(len(facts.members)), f"use 1 to {MOST_MEMBERS}")
    for number, member in enumerate(facts.members):
        if member.format not in SINGLE_FORMATS:
            fix = f"members have one of these formats: {', '.join(sorted(SINGLE_FORMATS))}"
            raise _refused(f"members.{number}.format", repr(member.format[:80]), fix)
        if member.encoding is not None and not sound(member.encoding, shape.width):
            raise _refused(f"members.{number}.encoding", "", f"it must spread the codes of {shape.width} features")
    expected = {FILE, *(f"{number}/{name}" for number, m in enumerate(facts.members) for name in m.files)}
    if files.keys() != expected:
        raise _refused("files", ", ".join(sorted(files.keys() ^ expected))[:200], f"keep those that {FILE} names")
    if not facts.combination.sound(len(facts.members), shape):
        what = f"{len(facts.members)} members, {shape.outputs} outputs and {shape.width} features"
        raise _refused("combination", str(facts.combination)[:80], f"it does not fit {what}")


def _load_member(number: int, facts: MemberFacts, files: Mapping[str, bytes], shape: Shape) -> Member:
    spreading = None if facts.encoding is None else Spreading(facts.encoding)
    own = shape if spreading is None else shape._replace(width=spreading.width)
    estimator = SINGLE_FORMATS[facts.format].load({name: files[f"{number}/{name}"] for name in facts.files}, own)
    return Member(facts.learner, estimator, spreading)


def _refused(field: str, value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the ensemble is malformed and was not loaded", Fault(field, value, fix))
