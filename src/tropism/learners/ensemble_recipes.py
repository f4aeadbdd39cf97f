"""The members of an ensemble as a task names them: `"lightgbm, linear, lightgbm(num_leaves=31 num_trees=300)"`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import Fault, SettingInvalid
from tropism.learners.ensemble_parts import MOST_MEMBERS, Member
from tropism.learners.ensemble_spreading import Spreading
from tropism.learners.fitting import make_learner
from tropism.learners.formats import SINGLE_FORMATS

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.base import Encoded, Learner, Parameter

_ONE = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*(?:,|$)")
_FIX = 'name learners, separated by commas, such as "lightgbm, linear(l2=10), random-forest"'


class Recipe(NamedTuple):
    """A learner by name, with its parameters. `text`: both, as they were written."""

    text: str
    name: str
    parameters: dict[str, Parameter]

    def learner(self) -> Learner:
        """Raises `SettingInvalid` for a name or a parameter that is not known, `MissingExtra` for a missing package."""
        return make_learner(self.name, self.parameters)


def read_recipes(members: str) -> tuple[Recipe, ...]:
    """The recipes in a text; parameters are separated by spaces.

    Raises:
        SettingInvalid: it cannot be read, or has fewer than two members, too many, or one twice.

    >>> [(r.name, r.parameters) for r in read_recipes("majority, linear(l2=10)")]
    [('majority', {}), ('linear', {'l2': 10})]
    """
    if not isinstance(members, str):
        raise _refused(repr(members), _FIX)
    found, start = [], 0
    while start < len(members):
        one = _ONE.match(members, start)
        if one is None:
            raise _refused(members[start : start + 80], _FIX)
        name, start = one[1], one.end()
        parameters = dict(_parameter(word) for word in (one[2] or "").split())
        text = f"{name}({' '.join(f'{key}={value}' for key, value in parameters.items())})" if parameters else name
        found.append(Recipe(text, name, parameters))
    if not 2 <= len(found) <= MOST_MEMBERS:
        raise _refused(members[:80], f"{_FIX}; 2 to {MOST_MEMBERS} of them")
    if len({recipe.text for recipe in found}) < len(found):
        raise _refused(members[:80], "name each member once, or with other parameters")
    return tuple(found)


def check_recipe(recipe: Recipe, task: Task) -> None:
    """Raises `SettingInvalid` unless its learner fits tasks of this kind."""
    kinds = recipe.learner().kinds
    if task.kind not in kinds:
        raise _refused(recipe.text, f"choose learners for {task.kind} tasks; this one fits: {', '.join(sorted(kinds))}")


def fit_member(recipe: Recipe, data: Encoded, task: Task, seed: int) -> Member:
    """A member fitted on data in style `codes`; the same as the learner's model alone, seed for seed.

    Raises:
        SettingInvalid: it cannot be stored in an ensemble.
        DataInvalid, TrainingFailed: as the learner does.
    """
    learner, spreading = recipe.learner(), None
    if learner.style == "standard":
        spreading = Spreading.fit(task.features, data.matrix)
        data = data._replace(matrix=spreading.matrix(data.matrix))
    estimator = learner.fit(data, task, seed)
    if estimator.format not in SINGLE_FORMATS:
        known = ", ".join(sorted(SINGLE_FORMATS))
        raise _refused(recipe.text, f"its format {estimator.format} cannot be a member's; these can: {known}")
    return Member(recipe.text, estimator, spreading)


def _parameter(word: str) -> tuple[str, Parameter]:
    name, mark, text = word.partition("=")
    if not (name and mark and text):
        raise _refused(word, "write parameters as name=value, separated by spaces")
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return name, text
    if isinstance(value, list | dict):
        raise _refused(word, "use a number, true, false or a word")
    return name, value


def _refused(value: str, fix: str) -> SettingInvalid:
    return SettingInvalid("an ensemble's members are not valid", Fault("parameters.members", value, fix))
