"""Bundles with something wrong do no harm; `tests.core.mutations` does it by the thousand."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.core.mutants import KINDS
from tests.core.mutations import SAMPLES, in_child, of_seeds


@pytest.fixture(scope="module")
def found():
    """What came of 600 mutants, about as many of each kind and of each sample."""
    return of_seeds(range(600))


def test_each_is_refused_in_words_or_opens_as_it_should(found):
    assert found.failures == []
    assert sum(found.counts.values()) == 600


def test_all_kinds_came_and_most_did_damage(found):
    outcomes, kinds = Counter(), Counter()
    for name, count in found.counts.items():
        kind, outcome = name.split(": ")
        outcomes[outcome] += count
        kinds[kind] += count
    assert kinds.keys() == KINDS.keys()
    assert min(kinds.values()) > 30
    assert outcomes["refused"] > 400
    assert outcomes["opened"] > 50


def test_a_child_of_bounded_memory_reports_what_it_found():
    """One of each sample, those that open as reports, too."""
    result = in_child(20_000, 20_000 + 2 * len(SAMPLES), 1)
    assert result["failures"] == []
    assert sum(result["counts"].values()) == 2 * len(SAMPLES)
    assert 0 < result["peak"] < 500e6
