"""Functions of one value that rules are made of: those a project registers, and documents against a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core import plugins
from tropism.core.errors import Fault, InvalidInput
from tropism.features.checks import documents
from tropism.features.checks.rules import Custom, JsonSchema

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = "tropism.checks"


def fails(rule: Custom | JsonSchema) -> Callable[[Any], bool]:
    """Whether a value, which is not missing, fails.

    Raises:
        SettingInvalid: no function is registered under the rule's name.
        MissingExtra: a package is not installed.
    """
    if isinstance(rule, JsonSchema):
        schema = rule.schema
        return lambda value: not documents.valid(value, schema)
    function = plugins.load(GROUP, rule.name)
    return lambda value: not _asked(function, rule, value)


def _asked(function: Callable[[Any], object], rule: Custom, value: Any) -> bool:
    try:
        answer = function(value)
    except Exception as error:
        fault = Fault(f"{GROUP}.{rule.name}", f"{type(error).__name__}: {error}"[:80], "mend the function")
        raise InvalidInput(f"the rule {rule.title} failed itself", fault) from error
    if isinstance(answer, bool):
        return answer
    fault = Fault(f"{GROUP}.{rule.name}", repr(answer)[:80], "give True or False")
    raise InvalidInput(f"the rule {rule.title} did not answer", fault)
