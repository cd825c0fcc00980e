"""The architectures that users bring, as torchvision and timm write them, with random weights.

``SOURCES`` says which layers some of their layers read, read off the paper or the package's code.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from dataclasses import dataclass, field
from types import ModuleType

import torch
from torch import nn

from modviz.measure.network import Network

_KEPT: list[torch.library.Library] = []


@dataclass(frozen=True)
class Architecture:
    """One architecture of a package.

    Attributes
    ----------
    package, name : str
        ``"torchvision"`` or ``"timm"``, and what it calls the architecture.
    side : int
        Height and width of the smallest images worth a test.
    sources : dict of str to set of str
        Some layers, and all the layers that each reads.
    thorough : bool
        Whether only `make networks` reads it, and not every run of the tests.
    """

    package: str
    name: str
    side: int = 64
    sources: dict[str, set[str]] = field(default_factory=dict)
    thorough: bool = False

    @property
    def label(self) -> str:
        """Its name in README's table and in the names of tests."""
        return self.name if self.package == "torchvision" else f"timm {self.name}"

    @property
    def full_side(self) -> int:
        """Height and width of the images it was made for."""
        return 299 if self.name == "inception_v3" else 224

    def made(self) -> nn.Module:
        """The model, in eval mode."""
        torch.manual_seed(0)
        if self.package == "timm":
            torchvision()
            return importlib.import_module("timm").create_model(self.name, pretrained=False).eval()
        # these two take half a minute to draw weights that nobody looks at
        slow = self.name in ("googlenet", "inception_v3")
        options = {"init_weights": False} if slow else {}
        return getattr(torchvision().models, self.name)(weights=None, **options).eval()


def torchvision() -> ModuleType:
    """torchvision; beside a CPU build of torch two of its operators have to be named first."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)  # it has to live as long as torchvision does
    return importlib.import_module("torchvision")


def layer_widths(model: nn.Module) -> dict[str, int]:
    """Every Linear and convolution of a model and its units; heads for training only left out."""
    return {
        name: module.weight.shape[0]
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not name.startswith(("aux", "AuxLogits"))
    }


def connected_pairs(network: Network) -> int:
    """How many pairs of layers (or of the input and a layer) there are that connect."""
    return len({(c.source, c.target) for c in network.connections})


def _chain(*names: str) -> dict[str, set[str]]:
    """Each layer reads the one before it and nothing else."""
    return {after: {before} for before, after in itertools.pairwise(names)}


def _bottlenecks(first: int) -> dict[str, set[str]]:
    """ResNet-50's kind: a projection in the first block, `first` blocks before the next stage."""
    added = {"layer1.0.downsample.0", *(f"layer1.{k}.conv3" for k in range(first))}
    return {
        "layer1.0.conv1": {"conv1"},
        "layer1.0.conv2": {"layer1.0.conv1"},
        "layer2.0.conv1": added,
        "layer2.0.downsample.0": added,
    }


_BASIC = {
    "layer1.1.conv1": {"conv1", "layer1.0.conv2"},
    "layer2.0.downsample.0": {"conv1", "layer1.0.conv2", "layer1.1.conv2"},
}
_DENSE = {
    "features.denseblock1.denselayer2.conv1":
        {"features.conv0", "features.denseblock1.denselayer1.conv2"},
    "features.transition1.conv":
        {"features.conv0", *(f"features.denseblock1.denselayer{k}.conv2" for k in range(1, 7))},
    "features.denseblock2.denselayer1.conv1": {"features.transition1.conv"},
}  # fmt: skip
_VGG16 = [f"features.{k}" for k in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
_VGG16_BN = [f"features.{k}" for k in (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)]
_VGG11 = [f"features.{k}" for k in (0, 3, 6, 8, 11, 13, 16, 18)]
_HEAD = [f"classifier.{k}" for k in (0, 3, 6)]
_MNAS = {
    "layers.8.1.layers.0": {"layers.8.0.layers.6"},
    "layers.8.2.layers.0": {"layers.8.0.layers.6", "layers.8.1.layers.6"},
}
_REGNET = {
    "trunk_output.block1.block1-0.f.a.0": {"stem.0"},
    "trunk_output.block2.block2-0.f.a.0":
        {"trunk_output.block1.block1-0.proj.0", "trunk_output.block1.block1-0.f.c.0"},
}  # fmt: skip
#: Two inverted residuals, the second with a skip, read by the next stage (timm's names).
_INVERTED = {"blocks.2.0.conv_pw": {"blocks.1.0.conv_pwl", "blocks.1.1.conv_pwl"}}

#: Like one that every run reads, but larger or smaller.
_TWINS = ("vgg11", "resnext50_32x4d", "wide_resnet50_2", "mnasnet0_5", "regnet_x_400mf")

TORCHVISION = [
    Architecture("torchvision", name, side, sources, name in _TWINS)
    for name, side, sources in [
        ("alexnet", 64, _chain(*(f"features.{k}" for k in (0, 3, 6, 8, 10)),
                               *(f"classifier.{k}" for k in (1, 4, 6)))),
        ("vgg11", 32, _chain(*_VGG11, *_HEAD)),
        ("vgg16", 32, _chain(*_VGG16, *_HEAD)),
        ("vgg16_bn", 32, _chain(*_VGG16_BN, *_HEAD)),
        ("resnet18", 64, _BASIC),
        ("resnet50", 64, _bottlenecks(3)),
        ("resnext50_32x4d", 64, _bottlenecks(3)),
        ("wide_resnet50_2", 64, _bottlenecks(3)),
        ("densenet121", 64, _DENSE),
        ("mobilenet_v2", 64, {"features.4.conv.0.0": {"features.2.conv.2", "features.3.conv.2"}}),
        ("mobilenet_v3_small", 64,
         {"features.1.block.1.fc2": {"features.1.block.1.fc1"},
          "features.1.block.2.0": {"features.1.block.0.0"},  # the gate is no edge
          "features.2.block.0.0": {"features.1.block.2.0"}}),
        ("mobilenet_v3_large", 64,
         {"features.2.block.0.0": {"features.0.0", "features.1.block.1.0"}}),
        ("efficientnet_b0", 64,
         {"features.2.0.block.0.0": {"features.1.0.block.2.0"},
          "features.3.0.block.0.0": {"features.2.0.block.3.0", "features.2.1.block.3.0"}}),
        ("squeezenet1_1", 64,
         {"features.4.squeeze": {"features.3.expand1x1", "features.3.expand3x3"}}),
        ("googlenet", 64,
         {"inception3b.branch1.conv": {"inception3a.branch1.conv", "inception3a.branch2.1.conv",
                                       "inception3a.branch3.1.conv",
                                       "inception3a.branch4.1.conv"}}),
        ("inception_v3", 96,
         {"Mixed_5c.branch1x1.conv": {"Mixed_5b.branch1x1.conv", "Mixed_5b.branch5x5_2.conv",
                                      "Mixed_5b.branch3x3dbl_3.conv",
                                      "Mixed_5b.branch_pool.conv"},
          "Mixed_6b.branch1x1.conv": {"Mixed_6a.branch3x3.conv", "Mixed_6a.branch3x3dbl_3.conv",
                                      "Mixed_5d.branch1x1.conv", "Mixed_5d.branch5x5_2.conv",
                                      "Mixed_5d.branch3x3dbl_3.conv",
                                      "Mixed_5d.branch_pool.conv"}}),
        ("convnext_tiny", 64,
         {"features.1.0.block.3": {"features.1.0.block.0"},
          "features.1.1.block.0": {"features.0.0", "features.1.0.block.5"}}),
        ("shufflenet_v2_x1_0", 64,
         {"stage2.1.branch2.0": {"stage2.0.branch1.2", "stage2.0.branch2.5"}}),
        ("mnasnet0_5", 64, _MNAS),
        ("mnasnet1_0", 64, _MNAS),
        ("regnet_x_400mf", 64, _REGNET),
        ("regnet_y_400mf", 64, _REGNET),
    ]
]  # fmt: skip

_TIMM = [
    ("resnet18", _BASIC),
    ("resnet26d", {"conv1.3": {"conv1.0"}, "layer1.0.conv1": {"conv1.6"},
                   "layer2.0.downsample.1":
                   {"layer1.0.downsample.1", "layer1.0.conv3", "layer1.1.conv3"}}),
    ("resnetv2_50", {"stages.0.blocks.0.conv1": {"stem.conv"},
                     "stages.0.blocks.1.conv1":
                     {"stages.0.blocks.0.downsample.conv", "stages.0.blocks.0.conv3"}}),
    ("mobilenetv3_small_100", {"blocks.1.0.conv_pw": {"blocks.0.0.conv_pw"}, **_INVERTED}),
    ("efficientnet_lite0", _INVERTED),
    ("tf_efficientnet_lite0", _INVERTED),
    ("convnext_atto", {"stages.0.blocks.1.conv_dw": {"stem.0", "stages.0.blocks.0.mlp.fc2"}}),
    ("regnetx_002", {"s2.b1.conv1.conv": {"s1.b1.conv3.conv", "s1.b1.downsample.conv"}}),
    ("ghostnet_100", {"blocks.0.0.ghost1.cheap_operation.0": {"blocks.0.0.ghost1.primary_conv.0"},
                      "blocks.0.0.ghost2.primary_conv.0":
                      {"blocks.0.0.ghost1.primary_conv.0", "blocks.0.0.ghost1.cheap_operation.0"}}),
    ("repvgg_a0", {"stages.0.0.conv_kxk.conv": {"stem.conv_kxk.conv", "stem.conv_1x1.conv"},
                   "stages.0.1.conv_1x1.conv":
                   {"stages.0.0.conv_kxk.conv", "stages.0.0.conv_1x1.conv"}}),
    ("dla34", {"level2.root.conv":
               {"level2.tree1.conv2", "level2.tree2.conv2", "level2.project.0"}}),
    ("lcnet_050", {"blocks.0.0.conv_pw": {"blocks.0.0.conv_dw"}}),
]  # fmt: skip

_TIMM_THOROUGH = [
    ("resnext26ts", {}),
    ("densenet121", _DENSE),
    ("efficientnet_b0", _INVERTED),
    ("mobilenetv4_conv_small", {}),
    ("mixnet_s", {}),
    ("rexnet_100", {}),
    ("regnetz_b16", {"stages.0.0.conv2_kxk.conv": {"stages.0.0.conv1_1x1.conv"}}),
    ("nf_resnet50", {}),
    ("res2net50_14w_8s", {"layer1.0.convs.0": {"layer1.0.conv1"}}),
    ("hrnet_w18_small", {"transition1.0.0": {"layer1.0.downsample.0", "layer1.0.conv3"}}),
    ("xception41", {"blocks.0.stack.conv1.conv_dw": {"stem.1.conv"}}),
    ("cspdarknet53", {}),
    ("ese_vovnet19b_dw", {}),
    ("selecsls42b", {"features.0.conv2.0": {"features.0.conv1.0"}}),
    ("inception_next_atto", {}),
    ("fasternet_t0", {}),
    ("poolformer_s12", {}),
    ("vgg11", _chain(*_VGG11, "pre_logits.fc1", "pre_logits.fc2", "head.fc")),
]

TIMM = [Architecture("timm", name, 64, sources) for name, sources in _TIMM] + [
    Architecture("timm", name, 64, sources, thorough=True) for name, sources in _TIMM_THOROUGH
]

ARCHITECTURES = {a.label: a for a in [*TORCHVISION, *TIMM]}
