"""A real classifier of 1,000 classes on real photos, from end to end. 20 photos: no claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import modviz
from tests.measure.small import left_alone

#: From here on, subclusters of several layers are large enough to be tested.
LAYERS = ("_blocks.7._project_conv", "_conv_head")


def analysed(model, photos, **options):
    with left_alone(model):
        analysis = modviz.analyze(
            model, photos, layers=LAYERS, n_clusters=6, progress=False, **options
        )
    assert analysis.status == "complete"
    return analysis


def test_the_photos_are_prepared_as_the_network_was_trained(efficientnet_lite0, photos):
    images, labels = photos
    assert images.shape == (20, 3, 224, 224)
    with torch.no_grad():
        answers = efficientnet_lite0(images).argmax(1)
    assert int((answers == labels).sum()) == 18


@pytest.mark.slow
def test_lesions_of_late_layers_change_what_it_says(efficientnet_lite0, photos):
    images, labels = photos
    analysis = analysed(efficientnet_lite0, photos, n_controls=3, features=False)
    assert analysis.lesions.n_images == 20
    present = labels.unique()  # classes without photos are left out
    with torch.no_grad():
        right = (efficientnet_lite0(images).argmax(1) == labels).float()
    assert np.allclose(analysis.lesions.intact, [right[labels == c].mean() for c in present])

    tested = analysis.table()[analysis.tested]
    assert len(tested) >= 10
    late = tested[tested["layer"].str.startswith(("_blocks.14", "_blocks.15", "_conv_head"))]
    assert len(late) >= 2
    assert late["accuracy_change"].min() < -0.1
    whole = late.loc[late["size"].idxmax()]  # the more of a layer goes, the more is lost
    assert whole["accuracy"] < late.loc[late["size"].idxmin(), "accuracy"]


@pytest.mark.networks
def test_every_tested_subcluster_has_its_picture(efficientnet_lite0, photos):
    # one control each: as many pictures again
    analysis = analysed(efficientnet_lite0, photos, n_controls=1, n_image_controls=1)
    tested = analysis.table()[analysis.tested]
    assert len(tested) >= 10
    assert np.isfinite(tested[["score", "entropy"]]).all(axis=None)
    assert (tested["score"] > 0).all()
    assert tested["entropy"].between(0, np.log(1000)).all()
    pictures = analysis.features.images[analysis.tested]
    assert pictures.shape[1:] == (224, 224, 3)
    assert pictures.std(axis=(1, 2, 3)).min() > 0
