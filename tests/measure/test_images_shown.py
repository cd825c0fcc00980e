"""Top images as an analysis shows them, whatever the inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.measure.tops import topped


def test_normalised_colour_images_come_back_in_their_own_colours():
    generator = torch.Generator().manual_seed(1)
    raw = torch.rand(24, 3, 6, 5, generator=generator)
    raw[0], raw[1] = 0, 1  # every channel uses its whole range
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = (raw - mean[:, None, None]) / deviation[:, None, None]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 9, 3), nn.ReLU(), nn.Conv2d(9, 9, 3), nn.ReLU())
    model.extend([nn.Flatten(), nn.Linear(18, 3)])
    _, tested, _, found = topped(model, (images, torch.arange(24) % 3))
    expected = raw.permute(0, 2, 3, 1).numpy()[found.numbers[tested]]
    assert found.images[tested] == pytest.approx(expected, abs=1e-6)
    plain = topped(model, (raw * 0.5, torch.arange(24) % 3))[-1]
    inside = 0.5 * raw.permute(0, 2, 3, 1).numpy()
    assert np.array_equal(plain.images[tested], inside[plain.numbers[tested]])  # as they are


def layers_after(first: nn.Module, width: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        first, nn.Linear(width, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU()
    ).append(nn.Linear(12, 3))


def test_other_inputs_are_shown_as_feature_images_are():
    labels = torch.arange(20) % 3
    flat = torch.rand(20, 10)
    _, tested, _, found = topped(layers_after(nn.Identity(), 10), (flat, labels))
    shown = found.images[tested].reshape(int(tested.sum()), 10, -1)
    assert found.images.shape[2:] == (3, 4, 1)
    assert np.array_equal(shown[..., :10], flat.numpy()[found.numbers[tested]])
    assert np.isnan(shown[..., 10:]).all()
    five = torch.rand(20, 5, 3, 4)
    _, tested, _, found = topped(layers_after(nn.Flatten(), 60), (five, labels))
    expected = five.mean(dim=1).numpy()[found.numbers[tested]]
    assert found.images[tested][..., 0] == pytest.approx(expected, abs=1e-6)
    large = torch.rand(20, 1, 130, 65)  # blocks of 3 x 3 become a pixel
    _, tested, _, found = topped(layers_after(nn.Flatten(), 130 * 65), (large, labels))
    blocks = large[:, 0, :129, :63].reshape(20, 43, 3, 21, 3).mean(dim=(2, 4)).numpy()
    assert found.images[tested][..., 0] == pytest.approx(blocks[found.numbers[tested]], abs=1e-6)
    signals = torch.rand(20, 4, 6)  # no height and width: nothing to show, all to count
    _, tested, _, found = topped(layers_after(nn.Flatten(), 24), (signals, labels))
    assert found.images is None
    assert np.isfinite(found.entropy[tested]).all()
