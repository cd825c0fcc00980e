"""Real networks and photos. The folder they come from is a fixture of tests/conftest.py."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.networks import fetch
from tests.networks.zoo import torchvision


@pytest.fixture(autouse=True)
def one_thread():
    """One thread: these small tensors gain nothing by more, and a busy machine loses much."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def vgg16_body(networks_folder) -> nn.Module:
    """VGG-16's convolutions as trained on ImageNet; its outputs are the means of the last one."""
    import onnx

    stored: dict[str, dict[str, torch.Tensor]] = {}
    for initializer in onnx.load(networks_folder / fetch.VGG16).graph.initializer:
        layer = re.search(r"/(block\d_conv\d)_", initializer.name)
        if layer:
            value = torch.from_numpy(onnx.numpy_helper.to_array(initializer).copy())
            stored.setdefault(layer[1], {})["weight" if value.ndim == 4 else "bias"] = value
    with torch.device("meta"):  # no time for 138 million random weights
        features = torchvision().models.vgg16(weights=None).features
    features = features.to_empty(device="cpu")
    convolutions = [module for module in features if isinstance(module, nn.Conv2d)]
    for module, name in zip(convolutions, sorted(stored), strict=True):
        module.load_state_dict(stored[name])
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


@pytest.fixture(scope="session")
def efficientnet_lite0(networks_folder) -> nn.Module:
    """EfficientNet-Lite0 as trained on ImageNet."""
    sys.path.insert(0, str(networks_folder))
    try:
        from efficientnet_lite_pytorch import EfficientNet
    finally:
        sys.path.remove(str(networks_folder))
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(networks_folder / fetch.LITE0, weights_only=True))
    return model.eval()


@pytest.fixture(scope="session")
def photos(networks_folder) -> tuple[torch.Tensor, torch.Tensor]:
    """20 labelled photos as EfficientNet-Lite takes them, (20, 3, 224, 224), and their classes.

    Its authors resize to 256, cut out the middle 224, and scale by (x - 127) / 128.
    """
    files = sorted((networks_folder / fetch.PHOTOS).parent.glob("imagenet_*.jpg"))
    images = []
    for file in files:
        with Image.open(file) as photo:
            small = photo.convert("RGB").resize((256, 256), Image.Resampling.BICUBIC)
        images.append(np.asarray(small.crop((16, 16, 240, 240)), dtype=np.float32))
    pixels = torch.from_numpy((np.stack(images) - 127) / 128).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor([int(file.stem.split("_")[2]) for file in files])
