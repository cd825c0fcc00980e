"""Where the steps behind a lesion are cut into stages."""

from __future__ import annotations

from itertools import pairwise

from torch import fx

from modviz.measure.steps import CACHE_BYTES, Step, staged


def chain(*reads: tuple[int, ...]) -> tuple[list[fx.Node], list[Step]]:
    """Nodes, the first of which is a cut, and a step for each further one with what it reads."""
    graph = fx.Graph()
    nodes = [graph.placeholder(f"n{k}") for k in range(len(reads) + 1)]
    steps = [
        Step(nodes[k + 1], tuple(nodes[i] for i in some), lambda _units: lambda _value: None)
        for k, some in enumerate(reads)
    ]
    return nodes, steps


def cut_into(reads, sizes) -> list[tuple[int, int]]:
    nodes, steps = chain(*reads)
    stages = staged(steps, frozenset(nodes[:1]), dict(zip(nodes, sizes, strict=True)))
    assert [step for stage in stages for step in stage.steps] == steps
    assert stages[0].entry is None
    for before, after in pairwise(stages):
        assert after.entry is before.steps[-1].node
    return [(len(stage.steps), stage.bytes_per_image) for stage in stages]


def test_a_chain_is_cut_where_values_get_much_smaller():
    assert cut_into([(0,), (1,), (2,), (3,)], [100, 100, 90, 40, 10]) == [(3, 100), (1, 40)]


def test_values_of_one_size_stay_together():
    assert cut_into([(0,), (1,), (2,)], [100, 100, 90, 80]) == [(3, 100)]


def test_no_cut_where_a_branch_is_still_to_be_read():
    """The third step reads the silenced value once more: both would have to be handed on."""
    assert cut_into([(0,), (1,), (0, 2), (3,)], [100, 20, 20, 20, 8]) == [(3, 100), (1, 20)]


def test_what_is_small_takes_all_images_at_once():
    _, steps = chain((0,))
    (stage,) = staged(steps, frozenset(), {steps[0].node: 4})
    assert stage.at_once == CACHE_BYTES // 4
    (stage,) = staged(steps, frozenset(), {steps[0].node: 2 * CACHE_BYTES})
    assert stage.at_once == 1
