"""The study of the paper's networks, on small ones: it measures, keeps what is done, resumes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from modviz import examples, statistics


@pytest.fixture
def study(tmp_path, monkeypatch):
    file = Path(__file__).parents[1] / "notebooks" / "reproduction.py"
    monkeypatch.syspath_prepend(str(file.parent))  # as for a script: it imports from there
    spec = importlib.util.spec_from_file_location("reproduction", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reproduction", module)
    spec.loader.exec_module(module)
    small = module.Recipe(
        "small", lambda seed: examples.mlp((1, 8, 8), width=24, depth=2, seed=seed),
        1, 128, 2, ("fc1", "fc2"), True, False, 150,
    )  # fmt: skip
    monkeypatch.setattr(module, "RECIPES", (small,))
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(module, "N_CLUSTERS", 3)
    monkeypatch.setattr(module, "N_CLUSTERS_OF_TESTS", 3)
    monkeypatch.setattr(module, "N_SHUFFLES", 3)
    monkeypatch.setattr(examples, "fashion_mnist", examples.digits)
    monkeypatch.setattr(sys, "argv", ["reproduction.py"])
    return module


def test_it_measures_all_and_goes_on_where_it_stopped(study, monkeypatch):
    study.main()
    folder = study.RESULTS
    first = {file.name: file.read_text() for file in folder.iterdir()}
    assert set(first) == {"clusterability.csv", "tests.csv", "tests_over_networks.csv"}
    assert first["tests.csv"].startswith("# make study; commit ")
    table = study.pd.read_csv(folder / "tests.csv", comment="#")
    assert len(table) == 2 * 4 * 2 * 4  # networks, partitionings, ways, statistics
    over = study.pd.read_csv(folder / "tests_over_networks.csv", comment="#")
    for (edges, scope, way, name), group in table.groupby(
        ["edges", "scope", "options", "statistic"]
    ):
        row = over[
            (over[["edges", "scope", "options", "statistic"]] == [edges, scope, way, name]).all(1)
        ]
        assert row["bates_p"].item() == pytest.approx(statistics.bates(group["fisher_p"]).p, 1e-4)

    def trained_again(*_args, **_kwargs):
        raise AssertionError("what is kept must not be made again")

    monkeypatch.setattr(examples, "train", trained_again)
    monkeypatch.setattr(study.modviz, "analyze", trained_again)
    monkeypatch.setattr(study.modviz, "clusterability_test", trained_again)
    study.main()
    assert {file.name: file.read_text() for file in folder.iterdir()} == first


def test_undefined_statistics_are_evidence_only_the_authors_way(study):
    recipe = study.RECIPES[0]
    result = study.analysis(recipe, 0, "weights", "global", "modviz")
    ours = {row["statistic"]: row for row in study.evidence(result, "modviz")}
    theirs = {row["statistic"]: row for row in study.evidence(result, "authors")}
    for name, row in ours.items():
        samples, measured = result.samples(name), result.measured(name)
        defined = ~np.isnan(samples[0][measured])
        assert row["undefined"] == int((~defined).sum())
        assert theirs[name]["mean_minus_ln_p"] >= row["mean_minus_ln_p"] - 1e-12
