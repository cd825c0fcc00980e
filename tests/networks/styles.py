"""One small network written in many styles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.checkpoint import checkpoint


class Plain(nn.Module):
    """Functions for everything without weights; the others below compute the same."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 9, 3, padding=1)
        self.fc = nn.Linear(9 * 16, 4)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(torch.flatten(x, 1))


class InPieces(Plain):
    """Subclasses change the start, the middle or the end."""

    def start(self, x):
        return F.relu(self.conv1(x))

    def middle(self, x):
        return F.max_pool2d(F.relu(self.conv2(x)), 2)

    def end(self, x):
        return self.fc(torch.flatten(x, 1))

    def forward(self, x):
        return self.end(self.middle(self.start(x)))


class ViewBySize(InPieces):
    def end(self, x):
        return self.fc(x.view(x.size(0), -1))


class ViewByBatch(InPieces):
    def end(self, x):
        return self.fc(x.view(-1, 9 * 16))


class ReshapeByShape(InPieces):
    def end(self, x):
        batch, channels, height, width = x.shape
        return self.fc(x.reshape(batch, channels * height * width))


class FlatFeatures(InPieces):
    def flat_features(self, x):
        number = 1
        for size in x.size()[1:]:
            number *= size
        return number

    def end(self, x):
        return self.fc(x.view(-1, self.flat_features(x)))


class Dropouts(InPieces):
    def start(self, x):
        return F.dropout2d(F.relu(self.conv1(x)), 0.2, training=self.training)

    def end(self, x):
        return self.fc(F.dropout(torch.flatten(x, 1), p=0.5, training=self.training))


class IfTraining(InPieces):
    def start(self, x):
        x = F.relu(self.conv1(x))
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return x


class Asserts(InPieces):
    def start(self, x):
        assert x.dim() == 4
        assert x.shape[1] == 1, f"expected one channel, not {x.shape[1]}"
        return F.relu(self.conv1(x))


class IfShape(InPieces):
    def start(self, x):
        if x.dim() == 3:
            x = x.unsqueeze(1)
        if x.shape[-1] != 8:
            x = F.interpolate(x, size=(8, 8))
        return F.relu(self.conv1(x))


class InPlace(InPieces):
    def start(self, x):
        x = self.conv1(x)
        F.relu(x, inplace=True)
        return x

    def middle(self, x):
        return F.max_pool2d(self.conv2(x).relu_(), 2)


class Attribute(InPieces):
    def middle(self, x):
        self.last = x.detach()
        return super().middle(x)


class Checkpoint(InPieces):
    def start(self, x):
        return checkpoint(super().start, x, use_reentrant=False)


class NoGrad(InPieces):
    def start(self, x):
        with torch.no_grad():
            return super().start(x)


class Autocast(InPieces):
    def start(self, x):
        with torch.autocast("cpu", enabled=False):
            return super().start(x)


class Kwargs(InPieces):
    def forward(self, x, **kwargs):
        return super().forward(x)


class Options(InPieces):
    def forward(self, x, mask=None, *, return_features=False):
        features = self.start(x)
        if mask is not None:
            features = features * mask
        x = self.end(self.middle(features))
        return (x, features) if return_features else x


class Labels(InPieces):
    def forward(self, x, labels=None):
        x = super().forward(x)
        return x if labels is None else F.cross_entropy(x, labels)


class OneKey(InPieces):
    def forward(self, x):
        return {"logits": super().forward(x)}


def block(n_in: int, n_out: int, *more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(inplace=True), *more)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Sequential(block(1, 8), block(8, 9, nn.MaxPool2d(2))))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(9 * 16, 4))

    def forward(self, x):
        return self.head(self.body(x))


@dataclass
class Config:
    widths: tuple[int, ...] = (1, 8, 9)
    activation: str = "relu"
    n_classes: int = 4


class Configured(nn.Module):
    def __init__(self):
        super().__init__()
        self.config = Config()
        widths = self.config.widths
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(widths)
        )
        self.fc = nn.Linear(9 * 16, self.config.n_classes)

    def forward(self, x):
        for k, conv in enumerate(self.convs):
            x = getattr(F, self.config.activation)(conv(x))
            if k == len(self.convs) - 1:
                x = F.max_pool2d(x, 2)
        return self.fc(x.flatten(start_dim=1))


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict(
            {"first": block(1, 8), "second": block(8, 9), "pool": nn.MaxPool2d(2)}
        )
        self.fc = nn.Linear(9 * 16, 4)

    def forward(self, x):
        for part in self.parts.values():
            x = part(x)
        return self.fc(x.view(x.shape[0], -1))


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Lambdas(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            Apply(lambda x: x.view(-1, 1, 8, 8)),
            block(1, 8),
            block(8, 9),
            nn.MaxPool2d(2),
            Apply(lambda x: x.view(x.size(0), -1)),
            nn.Linear(9 * 16, 4),
        )

    def forward(self, x):
        return self.net(x)


class Subclass(nn.Module):
    class Linear(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight, self.bias)

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(1, 8), block(8, 9))
        self.fc = self.Linear(9 * 16, 4)

    def forward(self, x):
        x = self.features(x)
        x = x.unflatten(3, (4, 2)).unflatten(2, (4, 2)).amax(dim=(3, 5))  # pooling by hand
        return self.fc(x.flatten(1))


STYLES = [
    ViewBySize, ViewByBatch, ReshapeByShape, FlatFeatures, Dropouts, IfTraining, Asserts, IfShape,
    InPlace, Attribute, Checkpoint, NoGrad, Autocast, Kwargs, Options, Labels, OneKey, Nested,
    Configured, Parts, Lambdas, Subclass,
]  # fmt: skip
