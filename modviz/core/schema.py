"""Check JSON against a JSON Schema, as far as modviz's own schemas go.

A library would do it, but the quick one takes a fifth of a second to start, which is a fifth of
what opening a file may take, and none can leave out what a later version has added. The tests check
that this agrees with one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}

#: What a keyword asks of a value of its kind.
_LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool], str]] = {
    "minimum": ("number", lambda value, limit: value >= limit, "at least {}"),
    "maximum": ("number", lambda value, limit: value <= limit, "at most {}"),
    "exclusiveMinimum": ("number", lambda value, limit: value > limit, "more than {}"),
    "exclusiveMaximum": ("number", lambda value, limit: value < limit, "less than {}"),
    "minItems": ("array", lambda value, limit: len(value) >= limit, "at least {} entries"),
    "maxItems": ("array", lambda value, limit: len(value) <= limit, "at most {} entries"),
    "maxLength": ("string", lambda value, limit: len(value) <= limit, "at most {} characters"),
    "pattern": ("string", lambda value, limit: bool(re.search(limit, value)), "the pattern {}"),
}

#: Keywords that say nothing about a value.
_WORDS = {"$schema", "title", "description", "definitions"}
_KNOWN = {*_LIMITS, *_WORDS, "$ref", "type", "const", "enum", "anyOf", "required", "items"}
_KNOWN |= {"properties", "additionalProperties"}


class Validator:
    """Checks values against one schema.

    Parameters
    ----------
    schema : mapping
        With the keywords of draft 7 that are named in this file, and no others.

    Raises
    ------
    NotImplementedError
        If it uses another keyword.
    """

    def __init__(self, schema: Schema) -> None:
        self._definitions = schema.get("definitions", {})
        self._schema = schema
        self._left_out: list[str] | None = None
        for part in (schema, *self._definitions.values()):
            _require_known(part)

    def check(self, value: Any, *, newer: bool = False) -> list[str]:
        """Raise an error for what is not as the schema has it.

        Parameters
        ----------
        value
            Parsed JSON. With `newer` it loses what the schema does not know.
        newer : bool
            Leave out keys that the schema does not know, instead of refusing them.

        Returns
        -------
        list of str
            Where something was left out.

        Raises
        ------
        ValueError
            That says where what was found, and what was expected.
        """
        self._left_out = [] if newer else None
        self._check(value, self._schema, "")
        return self._left_out or []

    def _check(self, value: Any, schema: Schema, place: str) -> None:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/definitions/")
            return self._check(value, self._definitions[name], place)
        if "anyOf" in schema:
            return self._check_any(value, schema["anyOf"], place)
        if "type" in schema:
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            if not any(_TYPES[kind](value) for kind in kinds):
                raise _unfit(value, place, " or ".join(kinds))
        if "const" in schema and value != schema["const"]:
            raise _unfit(value, place, repr(schema["const"]))
        if "enum" in schema and not any(
            value == v and type(value) is type(v) for v in schema["enum"]
        ):
            raise _unfit(value, place, f"one of {schema['enum']}")
        for keyword, (kind, holds, words) in _LIMITS.items():
            if keyword in schema and _TYPES[kind](value) and not holds(value, schema[keyword]):
                raise _unfit(value, place, words.format(schema[keyword]))
        if isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value):
                self._check(item, schema["items"], f"{place}[{number}]")
        if isinstance(value, dict):
            self._check_object(value, schema, place)
        return None

    def _check_any(self, value: Any, schemas: list[Schema], place: str) -> None:
        errors = []
        for schema in schemas:
            try:
                return self._check(value, schema, place)
            except ValueError as error:
                errors.append(str(error))
        raise ValueError("; or ".join(errors))

    def _check_object(self, value: dict[str, Any], schema: Schema, place: str) -> None:
        for name in schema.get("required", ()):
            if name not in value:
                raise ValueError(f"{_at(place, name)} is missing")
        known = schema.get("properties", {})
        for name in list(value):
            if name in known:
                self._check(value[name], known[name], _at(place, name))
            elif schema.get("additionalProperties", True) is False:
                if self._left_out is None:
                    raise ValueError(f"{_at(place, name)[:200]} is there, which nobody knows")
                self._left_out.append(_at(place, name)[:200])
                del value[name]


def _require_known(schema: Schema) -> None:
    if unknown := schema.keys() - _KNOWN:
        raise NotImplementedError(f"the schema uses {sorted(unknown)}, which is not checked here")
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        _require_known(part)
    if "items" in schema:
        _require_known(schema["items"])


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _unfit(value: Any, place: str, expected: str) -> ValueError:
    return ValueError(f"{place or 'it'} is {repr(value)[:100]}; expected {expected}")
