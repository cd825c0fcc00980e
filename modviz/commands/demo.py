"""``modviz demo``: the main job from end to end on scikit-learn's digits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from modviz.core.analysis import Analysis

if TYPE_CHECKING:
    from torch import nn

    from modviz.examples import LabelledImages

#: The network of the demo, as `examples.mlp` makes it; the served page builds it once more.
NETWORK: Final[dict[str, Any]] = {"width": 128, "dropout": 0.5}
SHAPE: Final = (1, 8, 8)


@dataclass(frozen=True)
class Choices:
    """What the demo's options say.

    Attributes
    ----------
    seed : int
        Of training and analysis.
    epochs : int
        How often the network sees every image.
    clusters, controls : int
        ``n_clusters`` and ``n_controls`` of `modviz.analyze`.
    """

    seed: int = 0
    epochs: int = 60
    clusters: int = 8
    controls: int = 99


def trained(choices: Choices) -> tuple[nn.Module, LabelledImages]:
    """A network that was just trained, and the images to test it on."""
    from modviz import examples

    train, test = examples.digits()
    print(f"Training a network of 4 x 128 units on {len(train):,} images of digits.")
    model = examples.mlp(SHAPE, **NETWORK, seed=choices.seed)
    examples.train(model, train, epochs=choices.epochs, seed=choices.seed)
    right = examples.accuracy(model, test)
    print(f"It tells {right:.1%} of {len(test):,} new images apart.\n", flush=True)
    return model, test


def demo(out: Path, choices: Choices) -> int:
    """Train, analyse, say what was found, write a report and the analysis."""
    began = time.monotonic()
    from modviz.measure.run import analyze
    from modviz.view.report import report

    model, test = trained(choices)
    print(
        f"Looking for {choices.clusters} clusters, and testing each against random groups of its "
        "units."
    )
    analysis = analyze(
        model,
        test,
        n_clusters=choices.clusters,
        n_controls=choices.controls,
        seed=choices.seed,
    )
    print(f"\n{_in_words(analysis)}\n")
    bundle = out.with_suffix(".modviz")
    analysis.save(bundle)
    path = report(analysis, out)
    print(f"Report:   {path.resolve().as_uri()}   (open it in a browser, click a row)")
    print(f"Analysis: {bundle}   (modviz.load reads it again)")
    print(f"Done in {time.monotonic() - began:.0f} s.")
    return 0


def _in_words(analysis: Analysis) -> str:
    from modviz.view.facts import Facts
    from modviz.view.overview import in_words

    return "\n".join(in_words(Facts(analysis)))
