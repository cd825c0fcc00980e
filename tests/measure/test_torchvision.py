"""The architectures that users bring: torchvision's as they stand, without weights."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
import torch
from torch import nn

import modviz
from modviz.measure.network import Network

_KEPT: list[torch.library.Library] = []


@pytest.fixture(scope="module")
def zoo() -> ModuleType:
    """torchvision.models; beside a CPU build of torch two operators have to be named first."""
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)  # it has to live as long as torchvision does
    return importlib.import_module("torchvision.models")


#: Architecture, side of the images, and layers whose sources were read off the paper or the code.
CASES = {
    "resnet18": (64, {"layer1.1.conv1": {"conv1", "layer1.0.conv2"},
                      "layer2.0.downsample.0": {"conv1", "layer1.0.conv2", "layer1.1.conv2"}}),
    "resnet50": (64, {"layer1.0.conv2": {"layer1.0.conv1"}}),
    "resnext50_32x4d": (64, {"layer1.0.conv2": {"layer1.0.conv1"}}),
    "densenet121": (64, {"features.denseblock1.denselayer2.conv1":
                         {"features.conv0", "features.denseblock1.denselayer1.conv2"}}),
    "mobilenet_v2": (64, {"features.4.conv.0.0": {"features.2.conv.2", "features.3.conv.2"}}),
    "mobilenet_v3_small": (64, {"features.1.block.1.fc2": {"features.1.block.1.fc1"}}),
    "efficientnet_b0": (64, {}),
    "squeezenet1_1": (64, {"features.4.squeeze": {"features.3.expand1x1", "features.3.expand3x3"}}),
    "googlenet": (64, {"inception3b.branch1.conv":
                       {"inception3a.branch1.conv", "inception3a.branch2.1.conv",
                        "inception3a.branch3.1.conv", "inception3a.branch4.1.conv"}}),
    "inception_v3": (96, {}),
    "convnext_tiny": (64, {"features.1.0.block.3": {"features.1.0.block.0"}}),
    "shufflenet_v2_x1_0": (64, {}),
    "mnasnet0_5": (64, {}),
    "regnet_y_400mf": (64, {}),
    "vgg11_bn": (32, {"classifier.0": {"features.25"}}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_architecture_is_followed_from_end_to_end(zoo, name):
    side, sources = CASES[name]
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = getattr(zoo, name)(weights=None, **extra)
    network = Network(model, torch.rand(2, 3, side, side))
    assert network.unfollowed() == ""
    widths = {
        full: module.weight.shape[0]
        for full, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not full.startswith(("aux", "AuxLogits"))
    }
    assert {layer.name: layer.n_units for layer in network.layers} == widths
    (output,) = [layer for layer in network.layers if layer.role == "output"]
    assert output.n_units == 1000
    for target, expected in sources.items():
        assert {c.source for c in network.connections if c.target == target} == expected
    for layer in network.hidden:  # every unit can be silenced and visualized
        for node in (*network.lesion_nodes(layer.name), network.pre_activation_node(layer.name)):
            assert network.unit_axis(node, layer.name) >= 1
    if name in ("resnet50", "shufflenet_v2_x1_0"):
        graph = modviz.weight_graph(network)
        assert graph.live.all()
        assert name != "resnet50" or graph.n_units == 26_560
