"""JSON documents against a JSON Schema (draft 2020-12), by the package jsonschema.

Nothing is fetched: a reference that leads out of the schema is refused. `pattern` is RE2, so that no document can make
it hang; `patternProperties`, which the package matches otherwise, is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault
from tropism.core.plugins import require
from tropism.features.checks.patterns import pattern_faults, text_matches

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTRA = "schemas"


def schema_faults(schema: object) -> list[Fault]:
    """What is wrong with a JSON Schema. Raises `MissingExtra` without the package jsonschema."""
    jsonschema = require("jsonschema", EXTRA)
    if not isinstance(schema, dict):
        return [Fault("schema", repr(schema)[:80], "give a JSON Schema as a dict")]
    try:
        # Through JSON and back, since that is how it is stored.
        stored = msgspec.json.decode(msgspec.json.encode(schema))
        jsonschema.Draft202012Validator.check_schema(stored)
    except jsonschema.SchemaError as error:
        return [Fault("schema", repr(error.instance)[:80], f"mend it: {error.message[:160]}")]
    except (TypeError, ValueError, RecursionError) as error:
        return [Fault("schema", repr(schema)[:80], f"give what JSON can hold ({str(error)[:80]})")]
    if [key for key, _ in _keywords(stored)].count("$id") > ("$id" in stored):
        return [Fault("schema.$id", repr(schema)[:80], "give an $id to the whole schema only")]
    return [fault for key, value in _keywords(stored) for fault in _keyword_faults(stored, key, value)]


def valid(document: str, schema: dict[str, Any]) -> bool:
    """Whether a text is a JSON document and valid against a schema."""
    try:
        return bool(_validator(msgspec.json.encode(schema)).is_valid(msgspec.json.decode(document)))
    except (msgspec.DecodeError, RecursionError):  # not JSON, or nested deeper than can be followed
        return False


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        yield from schema.items()
        for value in schema.values():
            yield from _keywords(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keywords(value)


def _keyword_faults(schema: dict[str, Any], key: str, value: Any) -> list[Fault]:
    if key == "patternProperties":
        return [Fault("schema.patternProperties", repr(value)[:80], "use properties, or propertyNames with a pattern")]
    if key == "pattern" and isinstance(value, str):
        return [Fault("schema.pattern", fault.value, fault.fix) for fault in pattern_faults(value)]
    if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not _leads(schema, value):
        return [Fault(f"schema.{key}", repr(value)[:80], "lead into this schema, such as #/$defs/address")]
    return []


def _leads(schema: Any, reference: str) -> bool:
    """Whether a reference is a pointer to something in the schema."""
    if reference != "#" and not reference.startswith("#/"):
        return False
    for part in reference.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list) and part.isdigit() and int(part) < len(schema):
            schema = schema[int(part)]
        elif isinstance(schema, dict) and part in schema:
            schema = schema[part]
        else:
            return False
    return isinstance(schema, dict | bool)


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    jsonschema, referencing = require("jsonschema", EXTRA), require("referencing", EXTRA)
    kind = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})
    return kind(msgspec.json.decode(schema), registry=referencing.Registry())


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and not text_matches(instance, pattern):
        yield require("jsonschema", EXTRA).ValidationError(f"it does not match {pattern}")
