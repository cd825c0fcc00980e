"""Small graphs to cut: dense, pruned, in pieces, with dead units or layers of one unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from modviz.core.graph import Layer, NeuronGraph


@dataclass(frozen=True)
class Plan:
    """What a graph is like; `seed` decides the rest."""

    seed: int
    kind: str
    edges: str

    def graph(self) -> NeuronGraph:
        rng = np.random.default_rng(self.seed)
        sizes = rng.integers(1, 7, rng.integers(2, 5))
        if self.kind == "single units":
            sizes = np.ones_like(sizes)
        layers = [Layer(f"fc{k}", "linear", int(n), number=k + 1) for k, n in enumerate(sizes)]
        pairs = [(k, k + 1) for k in range(len(sizes) - 1)]
        if self.edges == "activations":
            pairs = [(i, j) for i in range(len(sizes)) for j in range(i, len(sizes))]
        blocks = {}
        for i, j in pairs:
            block = rng.integers(1, 65, (sizes[i], sizes[j])) / 64
            block = self._changed(block, rng)
            blocks[i, j] = np.triu(block, 1) + np.triu(block, 1).T if i == j else block
        return NeuronGraph(layers, blocks, edges=self.edges)

    def _changed(self, block: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.kind == "pruned":
            return block * (rng.random(block.shape) < 0.3)
        if self.kind == "dead units":
            return block * (rng.random((len(block), 1)) < 0.5)
        if self.kind == "in pieces":
            rows, columns = (np.arange(n) % 2 for n in block.shape)
            return block * (rows[:, None] == columns)
        if self.kind == "equal":
            return np.ones_like(block)
        if self.kind == "tiny weights":
            return block * 1e-150
        if self.kind == "huge weights":
            return block * 1e150
        return block * 0 if self.kind == "nothing" else block


KINDS = (
    "dense",
    "pruned",
    "dead units",
    "in pieces",
    "equal",
    "single units",
    "tiny weights",
    "huge weights",
    "nothing",
)


def plans() -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        st.integers(0, 10**6),
        st.sampled_from(KINDS),
        st.sampled_from(["weights", "activations"]),
    )


def plain_cut(matrix: np.ndarray, labels: np.ndarray) -> float:
    """The normalised cut by its definition, cluster by cluster."""
    total = 0.0
    for cluster in set(labels[labels >= 0].tolist()):
        inside = labels == cluster
        volume = matrix[inside].sum()
        if volume > 0:
            total += matrix[inside][:, ~inside].sum() / volume
    return total
