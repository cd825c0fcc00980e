"""Contingency tables: the best matching, the index, and what shuffling gives."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import adjusted_rand_score

from modviz.core import agreement

tables = hnp.arrays(
    np.int64,
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    elements=st.integers(0, 9),
)


@given(tables)
def test_no_other_matching_shares_more_units(table):
    pairs = agreement.match(table)
    shared = table[pairs[:, 0], pairs[:, 1]]
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    assert (shared > 0).all()
    small, large = sorted((table, table.T), key=len)
    best = max(
        sum(int(small[i, place]) for i, place in enumerate(places))
        for places in permutations(range(len(large)), len(small))
    )
    assert shared.sum() == best == agreement.matched_units(table[None])[0]


@given(
    st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=40),
)
def test_the_index_is_that_of_scikit_learn(units):
    first, second = np.array(units).T
    both = (first >= 0) & (second >= 0)
    table = agreement.overlap(first, second, (5, 5))
    assert table.sum() == both.sum()
    expected = adjusted_rand_score(first[both], second[both])
    assert agreement.adjusted_rand(table) == pytest.approx(expected, abs=1e-12)


def test_random_tables_are_those_of_shuffled_labels():
    first, second = np.repeat([0, 1, 2], [5, 3, 2]), np.repeat([0, 1], [4, 6])
    rng = np.random.default_rng(0)
    drawn = agreement.random_overlaps(agreement.overlap(first, second, (3, 2)), 4000, rng)
    shuffled = np.array(
        [agreement.overlap(first, rng.permutation(second), (3, 2)) for _ in range(4000)]
    )
    assert drawn.mean(axis=0) == pytest.approx(shuffled.mean(axis=0), abs=0.06)
    assert drawn.var(axis=0) == pytest.approx(shuffled.var(axis=0), abs=0.06)
