"""README's table of architectures: python -m tests.networks.table writes it.

Every architecture is read in a process of its own, so that the peak of its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BEGIN, END = "<!-- networks -->", "<!-- /networks -->"
HEAD = "| architecture | layers | units | connections | seconds | MB |\n|---|--:|--:|--:|--:|--:|\n"

#: layers, units, connections, seconds, megabytes
Row = tuple[int, int, int, float, int]


def measured(label: str) -> Row:
    """Read one architecture at the size it was made for, in this process."""
    import torch

    import modviz
    from tests.networks.zoo import ARCHITECTURES, connected_pairs

    architecture = ARCHITECTURES[label]
    model = architecture.made()
    images = torch.rand(2, 3, architecture.full_side, architecture.full_side)
    torch.set_num_threads(1)  # then processor time is what a clock shows on an idle machine
    start = time.process_time()
    network = modviz.Network(model, images)
    graph = modviz.weight_graph(network, include_outputs=True)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    connections = connected_pairs(network)
    return len(network.layers), graph.n_units, connections, round(seconds, 1), round(megabytes)


def rows(readme: str) -> dict[str, Row]:
    """The table as it stands between the marks in README."""
    found = {}
    for line in readme.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]:
        label, *cells = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        layers, units, connections, seconds, megabytes = cells
        found[label] = (
            int(layers), int(units), int(connections), float(seconds), int(megabytes)
        )  # fmt: skip
    return found


def written(table: dict[str, Row]) -> str:
    """The table as it goes into README."""
    lines = [
        f"| {label} | {layers} | {units:,} | {connections:,} | {seconds:.1f} | {megabytes:,} |"
        for label, (layers, units, connections, seconds, megabytes) in table.items()
    ]
    return f"{BEGIN}\n{HEAD}" + "\n".join(lines) + f"\n{END}"


def _in_its_own_process(label: str) -> Row:
    command = [sys.executable, "-m", "tests.networks.table", "--measure", label]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    layers, units, connections, seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return layers, units, connections, seconds, megabytes


def main() -> None:
    """Measure all architectures, or those named, and write what was found into README."""
    from tests.networks.zoo import ARCHITECTURES

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("labels", nargs="*", help="architectures; all if none is named")
    parser.add_argument("--measure", metavar="LABEL", help="measure one here and print it as JSON")
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measured(options.measure)) + "\n")
        return
    for label in options.labels or ARCHITECTURES:
        row = _in_its_own_process(label)
        sys.stderr.write(f"{label}: {row}\n")
        text = README.read_text(encoding="utf-8")  # each at once: an interrupt keeps what is done
        table = rows(text) | {label: row}
        ordered = {name: table[name] for name in ARCHITECTURES if name in table}
        before, _, rest = text.partition(BEGIN)
        README.write_text(before + written(ordered) + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
