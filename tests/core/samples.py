"""Write samples of the bundles that this version writes: ``python -m tests.core.samples``.

They are kept for ever in tests/data/bundles, each beside the table that it had when it was written;
`test_bundle_samples` opens them all. Run this once for each new version of the format.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import modviz
from modviz.core.analysis import Analysis
from modviz.core.bundle_restore import VERSION

FOLDER = Path(__file__).parents[1] / "data" / "bundles"
_QUIET = {"progress": False, "workers": 1}


def made() -> dict[str, tuple[Analysis, bool]]:
    """Analyses by name, and whether their graph is kept with all digits."""
    from modviz.examples import digits, mlp, train

    fitting, testing = digits()
    data = testing.images[:300], testing.labels[:300]
    model = mlp((1, 8, 8), width=24, depth=2)
    train(model, fitting, epochs=20, progress=False)
    whole = modviz.analyze(model, data, n_clusters=4, n_controls=19, **_QUIET)
    adaptive = modviz.analyze(
        model, data, n_clusters=3, n_controls=99, n_image_controls=3, controls="adaptive",
        edges="activations", scope="local", **_QUIET,
    )  # fmt: skip
    few = modviz.analyze(
        model, data, n_clusters=4, n_controls=5, features=False, top_images=False, support=False,
        **_QUIET,
    )  # fmt: skip
    left = [  # they may get more
        s.name for s, more in zip(few.subclusters, few.lesions.unsurpassed, strict=True) if more
    ]
    continued = modviz.more_controls(
        few, model, data, subclusters=left[:1], n_controls=39, **_QUIET
    )
    return {
        "whole": (whole, False),
        "adaptive": (adaptive, False),
        "continued": (continued, True),
        "colours": (colours(whole), False),
    }


def colours(whole: Analysis) -> Analysis:
    """With pictures in colour, too large to be stored without loss, and a cancel in the middle."""
    rng = np.random.default_rng(0)
    coarse = rng.random((2, len(whole.subclusters), 8, 8, 3))
    large = np.kron(coarse, np.ones((10, 10, 1))).astype(np.float32)
    large[:, -1] = np.nan
    unfinished = {name: getattr(whole.features, name).copy() for name in ("score", "entropy")}
    for values in unfinished.values():
        values[-1] = np.nan
    features = replace(whole.features, images=large[0], control_images=large[1], **unfinished)
    return replace(whole, features=features, top_images=None, status="cancelled")


def main() -> None:
    """Write them; those of other versions stay."""
    for name, (analysis, exact) in made().items():
        stem = FOLDER / f"{'.'.join(map(str, VERSION))}-{name}"
        analysis.save(stem.with_name(f"{stem.name}.modviz"), exact_graph=exact)
        table = analysis.table()
        rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
        text = {"columns": [*table.columns], "index": [*table.index], "data": rows}
        stem.with_name(f"{stem.name}.json").write_text(json.dumps(text, indent=1) + "\n")


if __name__ == "__main__":
    main()
