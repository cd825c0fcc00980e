"""The networks that the benchmarks run on, and images for them."""

from __future__ import annotations

import torch
from torch import nn

from modviz import examples

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


def images_like(
    shape: tuple[int, ...], n: int, *, n_classes: int = 10
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images and labels, for networks whose time does not depend on what they see."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, *shape, generator=generator)
    return images, torch.randint(n_classes, (n,), generator=generator)


def vgg16_bn(n_classes: int = 10) -> nn.Module:
    """VGG-16 with batch norm for images of 32 x 32 (0 in the list = pooling)."""
    torch.manual_seed(0)
    modules: list[nn.Module] = []
    channels = 3
    for width in VGG16:
        if width:
            modules += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        else:
            modules.append(nn.MaxPool2d(2))
    return settled(nn.Sequential(*modules, nn.Flatten(), nn.Linear(512, n_classes)))


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.short: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            self.short = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.relu(self.bn1(self.conv1(x)))
        result: torch.Tensor = self.relu(self.bn2(self.conv2(inner)) + self.short(x))
        return result


def resnet20(n_classes: int = 10) -> nn.Module:
    """ResNet-20 for images of 32 x 32: three stages of three blocks, 16, 32 and 64 channels."""
    torch.manual_seed(0)
    modules: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    modules.append(nn.ReLU())
    channels = 16
    for stage, width in enumerate((16, 32, 64)):
        for block in range(3):
            modules.append(_Block(channels, width, 2 if stage and not block else 1))
            channels = width
    modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, n_classes)]
    return settled(nn.Sequential(*modules))


def settled(model: nn.Module, shape: tuple[int, ...] = (3, 32, 32)) -> nn.Module:
    """An untrained model whose batch norms know what comes: answers then differ by image."""
    model.train()
    with torch.no_grad():
        for k in range(3):
            generator = torch.Generator().manual_seed(k)
            model(torch.rand(64, *shape, generator=generator))
    return model.eval()


def trained(
    kind: str, *, epochs: int = 1, **options: float
) -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """The example network ``"mlp"`` or ``"cnn"`` after a short training, and test images.

    On Fashion-MNIST where it is installed, else on random images of the same shape.
    """
    model = getattr(examples, kind)(**options)
    try:
        train, test = examples.fashion_mnist()
    except FileNotFoundError:
        return model.eval(), images_like((1, 28, 28), 10_000)
    examples.train(model, train, epochs=epochs, progress=False)
    return model.eval(), (test.images, test.labels)
