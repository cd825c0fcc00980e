"""The command line: ``modviz demo`` and ``modviz report``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from modviz.core.analysis import Analysis
from modviz.core.bundle import BundleError, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="modviz", description="Find the modules of a trained neural network and test them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo", help="train a small network on digits, analyse it, write a linked report"
    )
    demo.add_argument("--out", type=Path, default=Path("modviz-demo.html"), help="the report")
    demo.add_argument("--seed", type=int, default=0)
    report = commands.add_parser("report", help="write a saved analysis as a linked HTML report")
    report.add_argument("bundle", type=Path, help="a .modviz file")
    report.add_argument("out", type=Path, nargs="?", help="by default the same name with .html")
    given = parser.parse_args(arguments)
    if given.command == "demo":
        return _demo(given.out, given.seed)
    return _report(given.bundle, given.out or given.bundle.with_suffix(".html"))


def _demo(out: Path, seed: int) -> int:
    """The main job from end to end on scikit-learn's digits."""
    began = time.monotonic()
    from modviz import examples
    from modviz.measure.run import analyze
    from modviz.view.report import report

    train, test = examples.digits()
    print(f"Training a network of 4 x 128 units on {len(train):,} images of digits.")
    model = examples.mlp((1, 8, 8), width=128, dropout=0.5, seed=seed)
    examples.train(model, train, epochs=60, seed=seed)
    right = examples.accuracy(model, test)
    print(f"It tells {right:.1%} of {len(test):,} new images apart.\n")
    print("Looking for 8 clusters, and testing each against random groups of its units.")
    analysis = analyze(model, test, n_clusters=8, seed=seed)
    print(f"\n{_in_words(analysis)}\n")
    bundle = out.with_suffix(".modviz")
    analysis.save(bundle)
    path = report(analysis, out)
    print(f"Report:   {path.resolve().as_uri()}   (open it in a browser, click a row)")
    print(f"Analysis: {bundle}   (modviz.load reads it again)")
    print(f"Done in {time.monotonic() - began:.0f} s.")
    return 0


def _report(bundle: Path, out: Path) -> int:
    from modviz.view.report import report

    try:
        path = report(load(bundle), out)
    except (BundleError, OSError) as error:
        print(f"modviz report: {error}", file=sys.stderr)
        return 1
    print(path.resolve().as_uri())
    return 0


def _in_words(analysis: Analysis) -> str:
    from modviz.view.facts import Facts
    from modviz.view.overview import in_words

    return "\n".join(in_words(Facts(analysis)))


if __name__ == "__main__":
    sys.exit(main())
