"""The command line: ``modviz demo``, ``modviz report`` and ``modviz doctor``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    given = _parser().parse_args(arguments)
    if given.command == "doctor":
        from modviz.checks.doctor import doctor

        found = doctor()
        print(found)
        return found.status
    if given.command == "report":
        return _report(given.bundle, given.out or given.bundle.with_suffix(".html"))
    return _demo(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modviz", description="Find the modules of a trained neural network and test them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo", help="train a small network on digits, analyse it, write a linked report"
    )
    demo.add_argument("--out", type=Path, default=Path("modviz-demo.html"), help="the report")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--epochs", type=_positive, default=60, help="of training (60)")
    demo.add_argument("--clusters", type=_positive, default=8, help="to look for (8)")
    demo.add_argument("--controls", type=_positive, default=99, help="random groups each (99)")
    demo.add_argument(
        "--serve",
        action="store_true",
        help="open the live explorer as a page on this machine instead; needs voila",
    )
    demo.add_argument("--port", type=_port, default=0, help="with --serve; 0 = any that is free")
    demo.add_argument("--no-browser", action="store_true", help="with --serve: only say where")
    report = commands.add_parser("report", help="write a saved analysis as a linked HTML report")
    report.add_argument("bundle", type=Path, help="a .modviz file")
    report.add_argument("out", type=Path, nargs="?", help="by default the same name with .html")
    commands.add_parser(
        "doctor", help="say what modviz finds here and what will not work (exit status 1)"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 65536:
        raise argparse.ArgumentTypeError(f"{number} is no port: 0 to 65535")
    return number


def _demo(given: argparse.Namespace) -> int:
    from modviz.commands.demo import Choices, demo
    from modviz.commands.serve import serve

    choices = Choices(given.seed, given.epochs, given.clusters, given.controls)
    try:
        if given.serve:
            return serve(choices, port=given.port, browser=not given.no_browser)
        return demo(given.out, choices)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _report(bundle: Path, out: Path) -> int:
    from modviz.core.bundle import BundleError, load
    from modviz.view.report import report

    try:
        path = report(load(bundle), out)
    except (BundleError, OSError) as error:
        print(f"modviz report: {error}", file=sys.stderr)
        return 1
    print(path.resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
