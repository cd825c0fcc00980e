"""Print how much faster modviz is than the plain ways: ``python -m benchmarks [--full]``."""

from __future__ import annotations

import argparse
import time

from benchmarks import adaptive, features, lesions, partition
from benchmarks.table import Row, markdown
from benchmarks.timing import ROUNDS, machine


def main() -> None:
    """Run the comparisons one after the other and print each table when it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="also what takes long")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each comparison")
    given = parser.parse_args()
    print(f"{machine()}; medians of {given.rounds} rounds, ways in turn\n")
    begin = time.monotonic()
    found: list[Row] = []
    stages = [lesions.rows, partition.rows, features.rows]
    if given.full:
        stages += [lesions.full_rows, partition.full_rows, features.full_rows]
        stages.append(adaptive.full_rows)
    for stage in stages:
        rows = stage(given.rounds)
        for row in rows:
            print(row.text, flush=True)
        found += rows
    print(f"\n{markdown(found)}\n\n{time.monotonic() - begin:.0f} s in all")


if __name__ == "__main__":
    main()
