"""The schema of bundles, and that our small validator reads it as a large one does."""

from __future__ import annotations

import copy
import json

import jsonschema
import numpy as np
import pytest

from modviz.core.bundle_restore import VERSION, bundle_schema
from modviz.core.schema import Validator
from tests.core.mutants import HEADER, ODDITIES, somewhere, unzipped
from tests.core.samples import FOLDER

SAMPLES = sorted(FOLDER.glob("2.*.modviz"))


def header_of(path) -> dict:
    header = json.loads(unzipped(path.read_bytes())[HEADER])
    del header["members"]  # many, and all alike
    return header


def test_the_schema_is_one_and_says_what_version_it_is_of():
    schema = bundle_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert ".".join(map(str, VERSION)) in schema["title"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_conform(path):
    header = json.loads(unzipped(path.read_bytes())[HEADER])
    jsonschema.validate(header, bundle_schema())
    assert Validator(bundle_schema()).check(header) == []


def test_it_agrees_with_a_large_validator_on_headers_with_something_wrong():
    """But for whole numbers that are written as 3.0, which JSON Schema allows and we do not."""
    large, small = jsonschema.Draft7Validator(bundle_schema()), Validator(bundle_schema())
    rng, refused = np.random.default_rng(0), 0
    headers = [header_of(path) for path in SAMPLES]
    for turn in range(400):
        header = copy.deepcopy(headers[turn % len(headers)])
        holder, key = somewhere(header, rng)
        value = ODDITIES[rng.integers(len(ODDITIES))]
        if rng.integers(3):
            holder[key] = value
        elif rng.integers(2):
            del holder[key]
        elif isinstance(holder, dict):
            holder["new"] = value
        if isinstance(value, float) and value.is_integer():
            continue
        try:
            small.check(header)
            fits = True
        except ValueError:
            fits, refused = False, refused + 1
        assert fits == large.is_valid(header), (key, value)
    assert 100 < refused < 390


SCHEMA = {
    "type": "object",
    "required": ["a"],
    "additionalProperties": False,
    "properties": {
        "a": {"anyOf": [{"type": "null"}, {"$ref": "#/definitions/pair"}]},
        "b": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 2},
        "c": {"enum": ["x", 1, None]},
        "d": {"type": "string", "pattern": "^x[0-9]$", "maxLength": 5},
        "e": {"const": "e"},
    },
    "definitions": {
        "pair": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
    },
}


@pytest.mark.parametrize(
    "value",
    [
        {"a": None},
        {"a": [1, -2], "b": 2, "c": None, "d": "x1", "e": "e"},
        {"a": None, "b": None, "c": 1},
        {"a": None, "b": 1e-9, "c": "x"},
    ],
)
def test_what_fits_passes(value):
    assert Validator(SCHEMA).check(value) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "it is .*; expected object"),
        ({}, "a is missing"),
        ({"a": 1}, "a is 1; expected null; or a is 1; expected array"),
        ({"a": [1]}, "at least 2 entries"),
        ({"a": [1, 2, 3]}, "at most 2 entries"),
        ({"a": [1, "x"]}, r"a\[1\] is 'x'; expected integer"),
        ({"a": [1, True]}, r"a\[1\] is True; expected integer"),
        ({"a": [1, 2.0]}, r"a\[1\] is 2.0; expected integer"),
        ({"a": None, "b": 0}, "b is 0; expected more than 0"),
        ({"a": None, "b": 3}, "b is 3; expected at most 2"),
        ({"a": None, "b": "1"}, "b is '1'; expected number or null"),
        ({"a": None, "b": False}, "b is False; expected number or null"),
        ({"a": None, "c": True}, "c is True; expected one of"),
        ({"a": None, "d": "y1"}, "expected the pattern"),
        ({"a": None, "d": "x12345"}, "expected the pattern|at most 5"),
        ({"a": None, "e": "f"}, "e is 'f'; expected 'e'"),
        ({"a": None, "f": 1}, "f is there, which nobody knows"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(value, words):
    with pytest.raises(ValueError, match=words):
        Validator(SCHEMA).check(value)


def test_what_is_newer_is_left_out_and_named():
    value = {"a": None, "new": {"deep": [1]}}
    assert Validator(SCHEMA).check(value, newer=True) == ["new"]
    assert value == {"a": None}


@pytest.mark.parametrize("place", [{}, {"definitions": {}}, {"properties": {}}])
def test_a_schema_that_asks_for_more_is_not_half_checked(place):
    schema = {"multipleOf": 2}
    for name in place:
        schema = {name: {"x": schema}}
    with pytest.raises(NotImplementedError, match="multipleOf"):
        Validator(schema)
