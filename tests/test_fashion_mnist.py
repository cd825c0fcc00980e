"""The main job at full size: a trained network and all 10,000 test images of Fashion-MNIST."""

from __future__ import annotations

import numpy as np
import pytest

import modviz
from modviz import examples


@pytest.mark.slow
def test_the_main_job_at_full_size(fashion_mnist_folder):
    train, test = examples.fashion_mnist(fashion_mnist_folder)
    model = examples.mlp()
    examples.train(model, train, epochs=5, progress=False)
    accuracy = examples.accuracy(model, test)
    assert accuracy >= 0.87

    settings = {"n_clusters": 16, "n_controls": 19, "progress": False}
    analysis = modviz.analyze(model, test, **settings)
    table = analysis.table()
    assert analysis.status == "complete"
    assert analysis.lesions.n_images == 10_000
    assert analysis.lesions.intact.mean() == pytest.approx(accuracy, abs=1e-9)  # equal classes
    assert analysis.class_names == test.classes
    assert len(table) == len(analysis.partition.subclusters)
    tested = table.loc[analysis.tested]
    for statistic in ("accuracy", "range", "score", "entropy"):
        ranks = tested[f"{statistic}_p"] * 20
        assert np.allclose(ranks, ranks.round())
        assert (tested[f"{statistic}_q"] >= tested[f"{statistic}_p"] - 1e-12).all()
    # what a partition of weights finds is better than chance, and worse than a planted one
    assert 12 < analysis.partition.ncut < 15

    again = modviz.analyze(model, test, workers=1, **settings)
    assert again.table().equals(table)
    assert again.class_changes().equals(analysis.class_changes())
