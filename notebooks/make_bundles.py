"""Make the bundles that the notebooks open: python notebooks/make_bundles.py [name ...].

=================  ==================================================================  ===========
lesson-a           network A of the lesson: five modules planted by hand               20 s
lesson-b           network B of the lesson: a perceptron trained on digits              1 min
vgg16-body         VGG-16's body with a head of our own; needs `make fetch` and         30 min
                   Fashion-MNIST
=================  ==================================================================  ===========

Without a name all are made. They go to ``notebooks/bundles``, where an existing file is replaced
only by a complete one. Seeds are fixed; on another machine a network that is trained may differ in
the last bits of its weights, and then by an image or two.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import modviz
from modviz import Analysis, examples
from modviz.core.files import replacing
from modviz.examples import LabelledImages

FOLDER = Path(__file__).resolve().parent / "bundles"
MOST_BYTES = 3_000_000

#: Where an analysis that takes long records what is done.
KEPT = Path(__file__).resolve().parents[1] / ".study"

#: What `modviz.analyze` is called with. The lesson takes fewer controls by looking at the first of
#: them, which do not depend on how many follow.
SETTINGS: dict[str, dict[str, Any]] = {
    "lesson-a": {"n_clusters": 5, "n_controls": 999, "seed": 0},
    "lesson-b": {"n_clusters": 8, "n_controls": 999, "seed": 0},
    "vgg16-body": {"n_clusters": 12, "n_controls": 99, "seed": 0},
}

#: Titles. Those of the lesson do not give away what the lesson asks.
NAMES = {
    "lesson-a": "network A",
    "lesson-b": "network B",
    "vgg16-body": "VGG-16 body (ImageNet), head fitted on Fashion-MNIST",
}

#: Names of A's classes say nothing about which of them belong together.
TREES = ("ash", "beech", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "yew")


def planted() -> tuple[nn.Module, LabelledImages]:
    """Network A and its images: 3 layers of 5 modules of 48 units, two classes a module."""
    made = examples.planted_mlp(n_modules=5, width=48, depth=3, noise=0.1, seed=0)
    names = tuple(str(name) for name in np.random.default_rng(0).permutation(TREES))
    return made.model, LabelledImages(made.data.images, made.data.labels, names, made.data.name)


def trained() -> tuple[nn.Module, LabelledImages]:
    """Network B and its test images: 4 layers of 64 units, trained on scikit-learn's digits."""
    train, test = examples.digits()
    model = examples.mlp((1, 8, 8), width=64)
    return examples.train(model, train, epochs=60, progress=False), test


def _lesson_a() -> Analysis:
    return modviz.analyze(*planted(), **SETTINGS["lesson-a"])


def _lesson_b() -> Analysis:
    model, test = trained()
    linear = [module for module in model if isinstance(module, nn.Linear)]
    arrays = {f"weight{k}": module.weight.detach().numpy() for k, module in enumerate(linear)}
    arrays |= {f"bias{k}": module.bias.detach().numpy() for k, module in enumerate(linear)}
    arrays["images"] = (16 * test.images.numpy()).round().astype(np.uint8).reshape(len(test), -1)
    arrays["labels"] = test.labels.numpy().astype(np.uint8)
    with replacing(FOLDER / "lesson-b-network.npz") as file:
        np.savez_compressed(file, **arrays)
    return modviz.analyze(model, test, **SETTINGS["lesson-b"])


def _vgg16_body() -> Analysis:
    import vgg16_body

    # the longest of them: interrupted, it goes on where it was
    KEPT.mkdir(exist_ok=True)
    kept = KEPT / "vgg16-body"
    analysis = modviz.analyze(*vgg16_body.with_head(), **SETTINGS["vgg16-body"], checkpoint=kept)
    if analysis.status == "complete":
        shutil.rmtree(kept)
    return analysis


MAKERS: dict[str, Callable[[], Analysis]] = {
    "lesson-a": _lesson_a,
    "lesson-b": _lesson_b,
    "vgg16-body": _vgg16_body,
}


def save(name: str, analysis: Analysis) -> int:
    """Write a bundle into `FOLDER` under its title; its size in bytes."""
    if analysis.status != "complete":  # an interrupt from the keyboard gives back what there is
        raise SystemExit(f"{name}: interrupted; the bundle there is stays")
    file = FOLDER / f"{name}.modviz"
    replace(analysis, model_name=NAMES[name]).save(file)
    return file.stat().st_size


def main() -> None:
    """Make what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*MAKERS, []], help="by default all")
    for name in parser.parse_args().names or MAKERS:
        size = save(name, MAKERS[name]())
        sys.stdout.write(f"{name}.modviz: {size / 1e6:.2f} MB\n")
        if size > MOST_BYTES:
            raise SystemExit(f"{name}.modviz is larger than {MOST_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
