"""Small networks of every kind of connection that modviz follows."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """Two blocks: a plain skip, and one with a projection; an activation after each sum."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.stem_bn = nn.BatchNorm2d(6)
        self.a1 = nn.Conv2d(6, 5, 3, padding=1)
        self.a1_bn = nn.BatchNorm2d(5)
        self.a2 = nn.Conv2d(5, 6, 3, padding=1)
        self.a2_bn = nn.BatchNorm2d(6)
        self.b1 = nn.Conv2d(6, 7, 1)
        self.b2 = nn.Conv2d(7, 8, 3, padding=1, stride=2)
        self.b2_bn = nn.BatchNorm2d(8)
        self.short = nn.Conv2d(6, 8, 1, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.relu(self.stem_bn(self.stem(x)))
        y = self.a2_bn(self.a2(self.relu(self.a1_bn(self.a1(x)))))
        y += x
        x = self.relu(y)
        y = self.b2_bn(self.b2(self.relu(self.b1(x))))
        x = torch.relu(y + self.short(x))
        return self.out(x.mean([2, 3]))


class Dense(nn.Module):
    """Concatenation, with batch norm over all that was gathered before the next layer."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(1, 4, 3, padding=1)
        self.two_bn = nn.BatchNorm2d(4)
        self.two = nn.Conv2d(4, 5, 3, padding=1)
        self.three_bn = nn.BatchNorm2d(9)
        self.three = nn.Conv2d(9, 6, 1)
        self.out = nn.Linear(15 * 4, 4)

    def forward(self, x):
        kept = [self.one(x)]
        kept.append(self.two(self.two_bn(kept[0]).relu()))
        y = self.three_bn(torch.cat(kept, 1)).relu()
        kept.append(self.three(y))
        return self.out(torch.flatten(nn.functional.max_pool2d(torch.cat(kept, 1), 2), 1))


class Shuffled(nn.Module):
    """Groups, depthwise convolution, and channels that are split, shuffled and joined."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped = nn.Conv2d(8, 12, 1, groups=4)
        self.side = nn.Conv2d(6, 6, 1)
        self.last = nn.Conv2d(12, 5, 1)
        self.out = nn.Linear(5, 4)

    def forward(self, x):
        x = self.grouped(self.depthwise(self.stem(x)).relu()).relu()
        kept, changed = x.chunk(2, dim=1)
        x = torch.cat((kept, self.side(changed).relu()), dim=1)
        n, channels, height, width = x.size()
        x = x.view(n, 2, channels // 2, height, width)
        x = torch.transpose(x, 1, 2).contiguous().view(n, -1, height, width)
        return self.out(self.last(x).relu().amax(dim=(2, 3)))


class Gated(nn.Module):
    """Squeeze and excitation: a gate scales what passes, which is no edge."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.squeeze = nn.Conv2d(6, 3, 1)
        self.excite = nn.Conv2d(3, 6, 1)
        self.last = nn.Conv2d(6, 5, 1)
        self.out = nn.Linear(5, 4)

    def forward(self, x):
        x = self.conv(x).relu()
        gate = self.squeeze(nn.functional.adaptive_avg_pool2d(x, 1)).relu()
        x = x * torch.sigmoid(self.excite(gate))
        return self.out(self.last(x).relu().mean((2, 3)))


class ChannelsLast(nn.Module):
    """Linear layers along the last of several dimensions, as in ConvNeXt, and a scaled branch."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 2, stride=2)
        self.wide = nn.Linear(6, 9)
        self.narrow = nn.Linear(9, 6)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 6).reshape(6, 1, 1))
        self.last = nn.Conv2d(6, 5, 1)
        self.out = nn.Linear(5, 4)

    def forward(self, x):
        x = self.stem(x)
        y = self.narrow(nn.functional.gelu(self.wide(x.permute(0, 2, 3, 1))))
        x = x + self.scale * y.permute(0, 3, 1, 2)
        return self.out(self.last(x).relu().mean((2, 3)))


class Reused(nn.Module):
    """One module used twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 8)
        self.again = nn.Linear(8, 8)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.first(x.flatten(1)).relu()
        return self.out(self.again(self.again(x).relu()).relu())


class Functional(nn.Module):
    """No modules at all: parameters and functions, each kind of matrix product once."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Parameter(torch.randn(6, 1, 3, 3) / 3)
        self.gamma = nn.Parameter(torch.linspace(0.5, 2, 6))
        self.register_buffer("mean", torch.linspace(-0.2, 0.2, 6))
        self.register_buffer("variance", torch.linspace(0.3, 2, 6))
        self.blocks = nn.ParameterDict(
            {
                "grouped": torch.randn(8, 3, 3, 3) / 5,
                "first": torch.randn(7, 8) / 3,
                "second": torch.randn(7, 5) / 3,
                "third": torch.randn(5, 6) / 2,
            }
        )
        self.bias = nn.Parameter(torch.zeros(6))
        self.out = nn.Parameter(torch.randn(4, 6) / 2)

    def forward(self, x):
        x = functional.conv2d(x, self.conv, padding=1)
        x = functional.batch_norm(x, self.mean, self.variance, self.gamma)
        x = functional.relu(x, inplace=True)
        x = functional.conv2d(x, self.blocks["grouped"], groups=2)
        x = functional.adaptive_avg_pool2d(functional.relu(x), 1).view(x.size(0), -1)
        x = functional.relu(functional.linear(x, self.blocks["first"]))
        x = torch.relu(x @ self.blocks["second"])
        x = torch.relu(torch.addmm(self.bias, x, self.blocks["third"]))
        return functional.linear(x, self.out)


class OneDimensional(nn.Module):
    """Convolutions over a row of values, and a skip that pads the missing channels with zeros."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv1d(1, 5, 3, padding=1)
        self.one_bn = nn.BatchNorm1d(5)
        self.two = nn.Conv1d(5, 8, 3, padding=1, stride=2)
        self.fc = nn.Linear(8 * 4, 6)
        self.out = nn.Linear(6, 4)

    def forward(self, x):
        x = self.one_bn(self.one(x.flatten(2))).relu()
        short = functional.pad(x[:, :, ::2], (0, 0, 1, 2))
        x = (self.two(x) + short).relu()
        x = functional.avg_pool1d(x, 2).flatten(1)
        return self.out(self.fc(x).relu())


class ThreeDimensional(nn.Module):
    """Convolutions over volumes."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv3d(1, 5, (1, 3, 3), padding=(0, 1, 1))
        self.two = nn.Conv3d(5, 6, (2, 2, 2), stride=2)
        self.three = nn.Conv3d(6, 4, 1)
        self.out = nn.Linear(4, 4)

    def forward(self, x):
        x = self.one(x[:, :, None].expand(-1, -1, 2, -1, -1)).relu()
        x = functional.max_pool3d(self.two(x).relu(), (1, 2, 2))
        return self.out(self.three(x).relu().mean((2, 3, 4)))


class Asking(nn.Module):
    """Asks for shapes, which torch.fx can't follow and torch.export can."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.side = nn.Conv2d(6, 6, 3, padding=1, groups=2)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.LayerNorm(7)
        self.fc = nn.Linear(9 * 4, 7)
        self.out = nn.Linear(7, 4)

    def forward(self, x):
        if x.shape[1] != 1:
            raise ValueError("one channel")
        return self.followed(x)

    def followed(self, x):
        x = functional.relu(self.bn(self.conv(x)), inplace=True)
        x = x + self.side(x)
        _, rest = torch.split(x, 3, dim=1)
        x = functional.max_pool2d(torch.cat([rest, x], dim=1).relu(), 2)
        x = self.norm(self.fc(self.drop(x.view(x.size(0), -1))))
        return self.out(functional.gelu(x))


class Standardised(nn.Module):
    """Layers that do something to their weights before they use them."""

    class Conv(nn.Conv2d):
        def forward(self, x):
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return functional.conv2d(x, weight, self.bias, padding=self.padding)

    def __init__(self):
        super().__init__()
        self.one = self.Conv(1, 5, 3, padding=1)
        self.two = self.Conv(5, 6, 3)
        self.fc = nn.utils.parametrizations.weight_norm(nn.Linear(24, 5))
        self.out = nn.Linear(5, 4)

    def forward(self, x):
        return self.out(self.fc(self.two(self.one(x).relu()).relu().flatten(1)).relu())


ARCHITECTURES = (
    Residual,
    Dense,
    Shuffled,
    Gated,
    ChannelsLast,
    Reused,
    Functional,
    OneDimensional,
    ThreeDimensional,
    Asking,
    Standardised,
)


def made(kind: type[nn.Module], seed: int = 0, sparse: float = 0.0) -> nn.Module:
    """A network with random weights, of which a share is 0, and batch norms that matter."""
    torch.manual_seed(seed)
    model = kind()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -0.2, 0.5)
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 2)
    for parameter in model.parameters() if sparse else ():
        if parameter.ndim > 1 and parameter.shape[1] > 1:
            parameter.data[torch.rand(parameter.shape[:2]) < sparse] = 0
    return model.eval()
