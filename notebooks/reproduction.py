"""The study behind ``02_reproduce_the_paper.ipynb``: train the paper's networks, measure them.

``python notebooks/reproduction.py`` does all that is not done yet: every trained network and every
analysis is kept in ``.study/`` and taken from there the next time, so an interrupted study goes on
where it stopped. The tables it writes to ``notebooks/results/`` are what the notebook shows.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from paper_statistics import evidence, over_networks
from torch import nn
from tqdm.auto import tqdm

import modviz
from modviz import examples

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".study"
RESULTS = ROOT / "notebooks" / "results"
COMMAND = "make study"

#: Clusters of the n-cut tables (as in the sibling paper) and of the four statistics.
N_CLUSTERS, N_CLUSTERS_OF_TESTS = 12, 16
N_SHUFFLES = 50
N_CONTROLS = 19  # the paper's


@dataclass(frozen=True)
class Recipe:
    """How the authors train one kind of network on Fashion-MNIST, and which graph they take.

    Adam with step 1e-3 and epsilon 1e-7, cross entropy, Keras's initialisation (`examples.mlp` and
    `examples.cnn` start with it), pixels in 0 .. 1, all 60,000 training images.

    Attributes
    ----------
    layers : pair of str
        First and last layer of the authors' graph.
    ends : bool
        Whether their graph also takes inputs and outputs.
    kernels : bool
        Whether the edges are kernels, whose norm can be taken in several ways.
    n_images : int
        Test images of each lesion; convolutions are lesioned on fewer to save hours.
    """

    name: str
    build: Callable[[int], nn.Module]
    epochs: int
    batch_size: int
    n_networks: int
    layers: tuple[str, str]
    ends: bool
    kernels: bool
    n_images: int

    def network(self, seed: int) -> nn.Module:
        """Network number `seed`, from the disk if it was trained before."""
        file = KEPT / "networks" / f"{self.name}-{seed}.pt"
        model = self.build(seed)
        if file.exists():
            model.load_state_dict(torch.load(file, weights_only=True))
            return model
        train, _ = examples.fashion_mnist()
        examples.train(
            model, train, epochs=self.epochs, batch_size=self.batch_size, lr=1e-3, seed=seed
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        torch.save(model.state_dict(), part)
        part.rename(file)
        return model


def _cnn(seed: int) -> nn.Module:
    # channels last halves the time of training on a CPU and changes nothing else
    return examples.cnn(seed=seed).to(memory_format=torch.channels_last)


def _mlp(seed: int) -> nn.Module:
    return examples.mlp(seed=seed)


def _mlp_dropout(seed: int) -> nn.Module:
    return examples.mlp(dropout=0.5, seed=seed)


RECIPES = (
    Recipe("mlp", _mlp, 20, 128, 5, ("fc1", "fc4"), True, False, 10_000),
    Recipe("mlp-dropout", _mlp_dropout, 20, 128, 5, ("fc1", "fc4"), True, False, 10_000),
    Recipe("cnn", _cnn, 10, 64, 3, ("conv1", "conv3"), False, True, 500),
)

PARTITIONINGS = tuple(product(("weights", "activations"), ("global", "local")))
#: Two ways to do the same: modviz's defaults, and what the authors' code does.
OPTIONS = ("modviz", "authors")


def networks(recipes: Iterable[Recipe] = RECIPES) -> Iterator[tuple[Recipe, int]]:
    """Every network of the study."""
    for recipe in recipes:
        for seed in range(recipe.n_networks):
            yield recipe, seed


# ---- is the network clusterable at all -----------------------------------------------------------


def clusterability(recipe: Recipe, seed: int) -> pd.DataFrame:
    """n-cut of a network and of its shuffled weights, with both kernel norms; a row a norm."""
    file = KEPT / "clusterability" / f"{recipe.name}-{seed}.csv"
    if file.exists():
        return pd.read_csv(file)
    model = recipe.network(seed)
    train, test = examples.fashion_mnist()
    rows: list[dict[str, float | str]] = []
    results: list[modviz.ClusterabilityTest] = []
    for norm in ("l1", "induced"):
        graph = modviz.weight_graph(
            model,
            train.images[:2],
            layers=recipe.layers,
            kernel_norm=norm,
            include_inputs=recipe.ends,
            include_outputs=recipe.ends,
        )
        if results and not recipe.kernels:
            result = results[0]  # both norms are |w|
        else:
            result = modviz.clusterability_test(graph, N_CLUSTERS, n_shuffles=N_SHUFFLES, seed=seed)
        results.append(result)
        rows.append(
            {
                "network": recipe.name,
                "seed": seed,
                "accuracy": examples.accuracy(model, test),
                "kernel_norm": norm,
                "n_units": graph.n_units,
                "n_clusters": N_CLUSTERS,
                "ncut": result.ncut,
                "shuffled": float(np.mean(result.null)),
                "shuffled_sd": float(np.std(result.null, ddof=1)),
                "z": result.z,
                "p": result.p,
            }
        )
    return _kept(pd.DataFrame(rows), file)


# ---- the four statistics -------------------------------------------------------------------------


def analysis(recipe: Recipe, seed: int, edges: str, scope: str, options: str) -> modviz.Analysis:
    """Lesions, pictures and top images of one network under one partitioning.

    The authors' way is the induced norm of kernels, and for weights the graph with its ends. They
    silence weights in place of values; without batch norm that is the same, so it is done once.
    """
    authors = options == "authors"
    norm = "induced" if authors and recipe.kernels else "l1"
    ends = authors and recipe.ends and edges == "weights"
    name = f"{recipe.name}-{seed}-{edges}-{scope}-{norm}{'-ends' if ends else ''}.modviz"
    file = KEPT / "analyses" / name
    if file.exists():
        return modviz.load(file)
    train, test = examples.fashion_mnist()
    result = modviz.analyze(
        recipe.network(seed),
        (test.images[: recipe.n_images], test.labels[: recipe.n_images]),
        layers=recipe.layers,
        n_clusters=N_CLUSTERS_OF_TESTS,
        edges=edges,
        scope=scope,
        kernel_norm=norm,
        include_inputs=ends,
        include_outputs=ends,
        n_controls=N_CONTROLS,
        activation_images=train.images if edges == "activations" else None,
        class_names=test.classes,
        seed=seed,
        progress=False,
    )
    if result.status != "complete":
        raise KeyboardInterrupt
    file.parent.mkdir(parents=True, exist_ok=True)
    result.save(file)
    return result


def tests(recipe: Recipe, seed: int) -> pd.DataFrame:
    """All partitionings of one network, both ways: a row per statistic."""
    rows = []
    for (edges, scope), options in product(PARTITIONINGS, OPTIONS):
        result = analysis(recipe, seed, edges, scope, options)
        named = {"network": recipe.name, "seed": seed, "edges": edges, "scope": scope}
        rows += [named | {"options": options} | row for row in evidence(result, options)]
    return pd.DataFrame(rows)


# ---- the study -----------------------------------------------------------------------------------


def _kept(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    file.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(file, index=False)
    return table


def _written(table: pd.DataFrame, name: str) -> None:
    """A table with the command and the commit that gave it, as comments on top."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    with (RESULTS / name).open("w", encoding="utf-8") as file:
        file.write(f"# {COMMAND}; commit {commit or 'unknown'}; torch {torch.__version__}\n")
        table.to_csv(file, index=False, float_format="%.6g")


def main() -> None:
    """Do what is not done yet and write the tables; stop at any time, and go on later."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", help="names of recipes; all by default")
    parser.add_argument("--only", choices=("train", "clusterability"), help="stop after this")
    given = parser.parse_args()
    recipes = tuple(r for r in RECIPES if not given.networks or r.name in given.networks)
    for recipe, seed in networks(recipes):
        recipe.network(seed)
    if given.only == "train":
        return
    found = [clusterability(*one) for one in tqdm(list(networks(recipes)), desc="n-cut")]
    _written(pd.concat(found), "clusterability.csv")
    if given.only == "clusterability":
        return
    tables = []
    for one in tqdm(list(networks(recipes)), desc="lesions and pictures", unit="network"):
        tables.append(tests(*one))
        _written(pd.concat(tables), "tests.csv")
        _written(over_networks(pd.concat(tables)), "tests_over_networks.csv")


if __name__ == "__main__":
    main()
