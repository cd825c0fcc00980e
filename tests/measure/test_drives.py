"""The mean over positions in closed form, against the outputs themselves, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from modviz.measure.drives import Means
from modviz.measure.guard import evaluating
from modviz.measure.network import Network

CONVOLUTIONS = {
    "plain": nn.Conv2d(4, 6, 3),
    "same": nn.Conv2d(4, 6, 3, padding="same"),
    "same, even kernel": nn.Conv2d(4, 6, (2, 4), padding="same", dilation=(1, 2)),
    "stride": nn.Conv2d(4, 6, 3, stride=(2, 3), padding=(1, 0)),
    "no bias": nn.Conv2d(4, 6, 1, stride=2, bias=False),
    "dilation": nn.Conv2d(4, 6, 3, dilation=(2, 1), padding=2),
    "groups": nn.Conv2d(4, 6, 3, groups=2, padding=1),
    "depthwise": nn.Conv2d(4, 8, 3, groups=4, padding=1),
    "reflect": nn.Conv2d(4, 6, 3, padding=(2, 1), padding_mode="reflect"),
    "circular": nn.Conv2d(4, 6, 3, padding=2, padding_mode="circular"),
    "replicate, stride": nn.Conv2d(4, 6, 3, padding=2, padding_mode="replicate", stride=2),
}


def chain(conv, norm=None):
    """A convolution, `conv`, something that is no part of either, and a classifier."""
    torch.manual_seed(0)
    units = conv.out_channels
    parts = [nn.Conv2d(1, conv.in_channels, 3, padding=1), nn.Tanh(), conv]
    parts += [norm] if norm else []
    parts += [nn.ReLU(), nn.Conv2d(units, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for part in parts:
        if isinstance(part, nn.Conv2d):
            part.reset_parameters()
    return nn.Sequential(*parts).double().eval()


def means_and_gradients(network, layer, images, **options):
    images = images.clone().requires_grad_()
    with evaluating(network.model):
        means = Means(network, layer, **options)
        drives = means(images)
        (drives.abs() * torch.linspace(0.5, 2, drives.shape[1])).sum().backward()
    return means, drives.detach(), images.grad


def assert_means_agree(model, layer, images, *, closed):
    network = Network(model, images)
    quick, *values = means_and_gradients(network, layer, images)
    plain, *expected = means_and_gradients(network, layer, images, shortcuts=False)
    assert quick.in_closed_form == closed
    assert not plain.in_closed_form
    for value, known in zip(values, expected, strict=True):
        assert value.abs().max() > 1e-3
        assert torch.allclose(value, known, rtol=1e-10, atol=1e-10)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_mean_of_a_convolution_in_closed_form_is_that_of_its_outputs(name):
    images = torch.rand(3, 1, 11, 9, dtype=torch.float64)
    assert_means_agree(chain(CONVOLUTIONS[name]), "2", images, closed=True)


def test_batch_norm_may_follow_the_mean_and_other_dimensions_are_no_different():
    images = torch.rand(3, 1, 9, 8, dtype=torch.float64)
    norm = nn.BatchNorm2d(6)
    nn.init.uniform_(norm.weight, -2, 2)
    nn.init.uniform_(norm.running_mean, -1, 1)
    nn.init.uniform_(norm.running_var, 0.3, 2)
    assert_means_agree(chain(nn.Conv2d(4, 6, 3, stride=2), norm), "2", images, closed=True)
    line = [nn.Conv1d(2, 5, 4, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(50, 3)]
    images = torch.rand(3, 2, 10, dtype=torch.float64)
    assert_means_agree(nn.Sequential(*line).double(), "0", images, closed=True)
    space = [nn.Conv3d(2, 5, (3, 2, 1), stride=(1, 2, 1), padding=1), nn.ReLU(), nn.Flatten()]
    images = torch.rand(3, 2, 4, 5, 3, dtype=torch.float64)
    space.append(nn.Linear(5 * 4 * 3 * 5, 3))
    assert_means_agree(nn.Sequential(*space).double(), "0", images, closed=True)


class Doubled(nn.Conv2d):
    """Says that it is a convolution, and does more."""

    def forward(self, value):
        return super().forward(value).square()


def test_what_does_more_than_a_convolution_runs_as_it_is():
    images = torch.rand(3, 1, 9, 8, dtype=torch.float64)
    assert_means_agree(chain(Doubled(4, 6, 3)), "2", images, closed=False)
    hooked = chain(nn.Conv2d(4, 6, 3))
    hooked[2].register_forward_hook(lambda module, given, value: value**3)
    assert_means_agree(hooked, "2", images, closed=False)
    normed = chain(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6))
    normed[3].register_forward_hook(lambda module, given, value: value**3)
    assert_means_agree(normed, "2", images, closed=False)


class Viewed(nn.Module):
    """Says .view() where only one layout in memory will do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(8 * 12 * 12, 12), nn.Linear(12, 3)

    def forward(self, value):
        value = torch.relu(self.conv2(torch.relu(self.conv1(value))))
        return self.fc2(torch.relu(self.fc1(value.view(value.size(0), -1))))


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1"])
def test_another_layout_in_memory_changes_rounding_only(layer):
    images = torch.rand(5, 1, 12, 12)
    network = Network(Viewed(), images)
    _, *quick = means_and_gradients(network, layer, images)
    _, *plain = means_and_gradients(network, layer, images, shortcuts=False)
    for value, known in zip(quick, plain, strict=True):
        assert torch.allclose(value, known, rtol=1e-4, atol=1e-6)
