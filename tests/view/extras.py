"""Results that a page shows below its panels: numbers of clusters, and double lesions."""

from __future__ import annotations

import numpy as np

from modviz.core.choice import ClusterChoice
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.interactions import Interactions
from modviz.core.partition import Partition


def choice_of(**changes) -> ClusterChoice:
    rng = np.random.default_rng(0)
    values = {
        "candidates": np.arange(2, 12),
        "eigengap": np.where(np.arange(2, 12) == 4, 0.5, 0.01),
        "ncut": np.arange(2, 12) * np.linspace(0.5, 0.6, 10),
        "stability": np.linspace(1, 0.4, 10),
        "null_eigengap": rng.uniform(0, 0.03, (19, 10)),
        "null_ncut": np.arange(2, 12) * rng.uniform(0.8, 0.9, (19, 1)),
    }
    return ClusterChoice(**values | changes)


def made(n_layers=2, k=3, n=320, *, name="fc{}", holes=False, status="complete") -> Interactions:
    """A1 and B1 interact by -15 points, A1 and A2 by +5, all else by chance below a point."""
    rng = np.random.default_rng(0)
    units = 4 * k
    layers = [Layer(name.format(i + 1), "linear", units, number=i + 1) for i in range(n_layers)]
    blocks = {(i, i + 1): rng.random((units, units)) for i in range(n_layers - 1)}
    partition = Partition(np.tile(np.arange(units) % k, n_layers), k, NeuronGraph(layers, blocks))
    m = n_layers * k
    single = -rng.random((m, 1 + n)) / 20
    noise = np.triu(rng.uniform(-0.004, 0.004, (m, m, 1 + n)).transpose(2, 0, 1), 1)
    paired = single[:, None] + single[None] + (noise + noise.transpose(0, 2, 1)).transpose(1, 2, 0)
    paired[range(m), range(m)] = single
    for i, j, points in ((0, 1, -15), (0, k, 5)):
        paired[i, j, 0] = paired[j, i, 0] = single[i, 0] + single[j, 0] + points / 100
    if holes:
        paired[1:3, 3:] = paired[3:, 1:3] = np.nan
    return Interactions(
        partition,
        np.arange(m),
        single[:, 0],
        single[:, 1:],
        paired[..., 0],
        paired[..., 1:],
        0.9,
        500,
        status,
    )
