"""The bundles that the notebooks open: small, current, and what the script beside them makes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import modviz
from modviz import examples
from modviz.core.controls import draw_controls
from tests.students import NOTEBOOKS, beside_notebooks

BUNDLES = NOTEBOOKS / "bundles"


@pytest.fixture(scope="module")
def scripts():
    with beside_notebooks() as import_module:
        yield import_module


@pytest.fixture(scope="module")
def opened(scripts):
    return scripts("lesson").open_bundles()


@pytest.mark.parametrize("name", ["lesson-a", "lesson-b", "vgg16-body"])
def test_a_bundle_is_small_and_what_the_script_says(scripts, name):
    script = scripts("make_bundles")
    file = BUNDLES / f"{name}.modviz"
    assert file.stat().st_size < script.MOST_BYTES == 3_000_000
    analysis = modviz.load(file)
    assert analysis.status == "complete"
    assert analysis.model_name == script.NAMES[name]
    assert script.SETTINGS[name].items() <= analysis.settings.items()
    assert set(script.SETTINGS) == {path.stem for path in BUNDLES.glob("*.modviz")}


def test_network_a_is_what_the_script_makes(scripts):
    script = scripts("make_bundles")
    stored = modviz.load(BUNDLES / "lesson-a.modviz")
    few = script.SETTINGS["lesson-a"] | {"n_controls": 5, "features": False, "support": False}
    made = modviz.analyze(*script.planted(), **few, progress=False)
    assert made.class_names == stored.class_names
    assert np.array_equal(made.partition.labels, stored.partition.labels)
    assert np.array_equal(made.lesions.lesioned, stored.lesions.lesioned)
    assert np.array_equal(made.lesions.controls, stored.lesions.controls[:, :5])


def test_the_vgg16_bundle_holds_the_real_body(scripts):
    vgg = modviz.load(BUNDLES / "vgg16-body.modviz")
    widths = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [
        layer.n_units for layer in vgg.partition.graph.layers if layer.role == "hidden"
    ] == widths
    assert vgg.partition.ncut == pytest.approx(7.697, abs=0.03)  # as from the kernels themselves
    assert vgg.class_names == examples.data.FASHION_CLASSES
    assert "Fashion-MNIST" in vgg.model_name


def test_the_matrices_do_what_the_analysis_measured(opened):
    _, b, network = opened
    assert np.array_equal(network.intact, b.lesions.intact)
    draws = draw_controls(b.partition, 3, b.settings["seed"])
    for place in np.flatnonzero(b.tested):
        s = b.subclusters[place]
        assert np.array_equal(network.accuracies(s.layer, s.units), b.lesions.lesioned[place])
        assert np.array_equal(network.top_classes(s.layer, s.units), b.top_images.labels[place])
        for row, labels in enumerate(draws[s.layer]):
            units = np.flatnonzero(labels == s.cluster)
            assert np.array_equal(
                network.accuracies(s.layer, units), b.lesions.controls[place, row]
            )
    with pytest.raises(ValueError, match="expected one of fc1, fc2, fc3, fc4"):
        network.change("fc7", [0])
    with pytest.raises(ValueError, match="fc1 has units 0 to 63"):
        network.change("fc1", [64])


def test_its_images_are_the_test_set(opened):
    _, test = examples.digits()
    with np.load(BUNDLES / "lesson-b-network.npz", allow_pickle=False) as stored:
        assert np.array_equal(stored["images"] / 16, test.images.numpy().reshape(len(test), -1))
        assert np.array_equal(stored["labels"], test.labels.numpy())


@pytest.mark.parametrize("file", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.stem)
def test_notebooks_are_kept_without_outputs(file):
    stored = json.loads(file.read_text(encoding="utf-8"))
    for cell in stored["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
