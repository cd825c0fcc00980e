"""Correlations against scipy, the authors' numbers and by hand; which values they are of."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import modviz
from modviz.measure import activations, sampling
from modviz.measure.data import LabelledData
from modviz.measure.trace import NetworkError
from tests.measure.small import left_alone, tiny_cnn, tiny_mlp


def by_forward_hooks(
    model: nn.Module, images: torch.Tensor, names: list[str], reduce
) -> np.ndarray:
    """Values of the named modules, shape (images, units), in the plainest way."""
    kept: dict[str, torch.Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, n=name: kept.__setitem__(n, out.clone()))
        for name, module in model.named_modules()
        if name in names
    ]
    with torch.no_grad():
        model.eval()(images)
    for hook in hooks:
        hook.remove()
    return np.concatenate([reduce(kept[name].numpy()) for name in names], axis=1)


def maps(norm):
    def reduce(values: np.ndarray) -> np.ndarray:
        if values.ndim == 2:
            return values
        if norm == "induced":
            return np.array([[np.linalg.norm(m, 1) for m in image] for image in values])
        order = {"l1": 1, "l2": 2}[norm]
        return np.linalg.norm(values.reshape(*values.shape[:2], -1), order, axis=2)

    return reduce


@pytest.mark.parametrize("norm", ["l1", "l2", "induced"])
def test_values_before_the_activation_and_after_the_layers_own_batch_norm(data, norm):
    model = tiny_cnn().eval()
    graph = modviz.activation_graph(model, data, kernel_norm=norm, include_outputs=True)
    assert graph.edges == "activations"
    assert [layer.name for layer in graph.layers] == ["conv1", "conv2", "fc1", "output"]
    assert sorted(graph.blocks) == [(i, j) for i in range(4) for j in range(i, 4)]
    # batch norm comes right after conv1, but only after the activation of conv2
    values = by_forward_hooks(model, data[0], ["bn1", "conv2", "fc1", "output"], maps(norm))
    expected = stats.spearmanr(values).statistic ** 2
    np.fill_diagonal(expected, 0)
    assert graph.adjacency.toarray() == pytest.approx(expected, abs=1e-3)
    assert np.abs(graph.adjacency.toarray() - expected).mean() < 1e-6


def test_pixels_and_channels_of_the_input(data):
    images = torch.rand(60, 3, 4, 4)
    graph = modviz.activation_graph(tiny_mlp(), data, include_inputs=True)
    assert (graph.layers[0].role, graph.layers[0].n_units) == ("input", 16)
    pixels = data[0].flatten(1).numpy()
    expected = stats.spearmanr(pixels[:, 0], pixels[:, 5]).statistic ** 2
    assert graph.blocks[0, 0][0, 5] == pytest.approx(expected, abs=1e-9)
    conv = nn.Sequential(
        OrderedDict(c=nn.Conv2d(3, 4, 3), r=nn.ReLU(), f=nn.Flatten(), o=nn.Linear(16, 2))
    )
    graph = modviz.activation_graph(conv, images, include_inputs=True)
    assert [layer.n_units for layer in graph.layers] == [3, 4]
    sums = images.abs().sum(dim=(2, 3)).numpy()
    assert graph.blocks[0, 0][0, 1] == pytest.approx(
        stats.spearmanr(sums[:, 0], sums[:, 1]).statistic ** 2, abs=1e-9
    )


class TokenNet(nn.Module):
    """Units along the last of several dimensions, as in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(2, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.out(torch.relu(self.first(x)).mean(dim=(1, 2)))


def test_positions_of_a_linear_layer_are_all_its_other_dimensions():
    torch.manual_seed(0)
    model, images = TokenNet().eval(), torch.randn(40, 3, 4, 2)
    graph = modviz.activation_graph(model, images)
    values = model.first(images).abs().sum(dim=(1, 2)).detach().numpy()
    expected = stats.spearmanr(values).statistic ** 2
    np.fill_diagonal(expected, 0)
    assert graph.adjacency.toarray() == pytest.approx(expected, abs=1e-9)


def module_images(modules: int, side: int, n: int, seed: int) -> torch.Tensor:
    """Images in which every module's pixels have a brightness of their own."""
    generator = torch.Generator().manual_seed(seed)
    level = torch.rand(n, modules, generator=generator)
    pattern = torch.rand(side * side, generator=generator)
    pixels = level.repeat_interleave(side * side // modules, dim=1) * pattern
    return pixels.reshape(n, 1, side, side)


@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("seed", range(3))
# with weights between the modules, a unit that its own module hardly moves follows the others
@pytest.mark.parametrize(("noise", "least"), [(0, 1), (0.005, 0.8)])
def test_modules_planted_in_a_network_are_found(seed, scope, noise, least):
    """What is driven by one brightness rises and falls together, whatever the signs of weights."""
    planted = modviz.examples.planted_mlp(width=16, seed=seed, noise=noise, images_per_class=4)
    images = module_images(4, planted.data.images.shape[-1], 300, seed)
    graph = modviz.activation_graph(planted.model, images)
    partition = modviz.spectral_partition(graph, 4, scope=scope, seed=seed)
    for i in range(3):
        part = graph.layer_slice(i)
        assert adjusted_rand_score(planted.labels[part], partition.labels[part]) >= least
    if scope == "global":
        assert adjusted_rand_score(planted.labels, partition.labels) >= least
        assert modviz.clusterability_test(graph, 4, n_shuffles=5).z < -10


def test_all_forms_of_images_in_any_batches_and_order_give_the_same(data):
    model = tiny_mlp()
    images = data[0]
    with left_alone(model):
        graph = modviz.activation_graph(model, data)
    loaders = [DataLoader(TensorDataset(*data), batch_size=size) for size in (7, 100)]
    for same in (images, images.numpy(), TensorDataset(*data), *loaders, data):
        again = modviz.activation_graph(model, same)
        for key, block in graph.blocks.items():
            assert again.blocks[key] == pytest.approx(block, abs=1e-3)
            assert np.abs(again.blocks[key] - block).mean() < 1e-6
    # the loaders' batches are joined and cut anew: not a bit of difference
    first, second = (modviz.activation_graph(model, loader) for loader in loaders)
    assert all(np.array_equal(first.blocks[key], second.blocks[key]) for key in first.blocks)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    turned = modviz.activation_graph(modviz.Network(model, images[:2]), images[order])
    assert np.abs(turned.adjacency - graph.adjacency).mean() < 1e-6
    assert turned.layers == graph.layers


class Endless(IterableDataset):
    """Gives no length; image number t is filled with t."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self):
        return iter([(torch.full((2,), float(t)), t % 2) for t in range(self.n)])


def drawn(data, n_samples: int, size: int = 16, seed: int = 0) -> list[int]:
    places = np.full(n_samples, -1)
    labelled = LabelledData(data)
    for images, slots in sampling.sampled_batches(labelled, n_samples, size, seed):
        assert len(images) == len(slots) <= size
        places[slots] = images[:, 0].int().numpy()
    return places.tolist()


def numbered(n: int) -> TensorDataset:
    return TensorDataset(torch.arange(n).float()[:, None].repeat(1, 2), torch.arange(n) % 2)


FORMS = {
    "dataset": numbered,
    "loader": lambda n: DataLoader(numbered(n), batch_size=7),
    "endless": lambda n: DataLoader(Endless(n), batch_size=7),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_is_fair_whatever_the_form(form):
    make = FORMS[form]
    assert sorted(drawn(make(30), 30)) == list(range(30))
    assert sorted(n for n in drawn(make(20), 30) if n >= 0) == list(range(20))
    found = [drawn(make(60), 12, seed=seed) for seed in range(60)]
    assert all(len(set(numbers)) == 12 for numbers in found)  # none twice
    counts = np.bincount(np.concatenate(found), minlength=60)
    # each image is expected in 12 of 60 samples, sd 3.1; a biased sample would miss the late ones
    assert counts[:20].mean() == pytest.approx(12, abs=2.5)
    assert counts[-20:].mean() == pytest.approx(12, abs=2.5)
    assert drawn(make(60), 12, seed=4) == found[4]


def test_at_most_so_many_images_are_used(data):
    model = tiny_mlp()
    few = modviz.activation_graph(model, data, n_samples=20, seed=1)
    assert np.abs(few.adjacency - modviz.activation_graph(model, data).adjacency).max() > 0.05
    again = modviz.activation_graph(model, data, n_samples=20, seed=1)
    assert (few.adjacency != again.adjacency).nnz == 0


def test_constant_activations_are_dead(data):
    model = tiny_cnn()
    with torch.no_grad():
        model.fc1.weight[3] = 0  # a linear unit that only gives its bias
        model.conv2.weight[5] = 0  # a channel without weights
        model.bn1.weight[2] = 0  # gamma = 0: the channel is beta everywhere
    graph = modviz.activation_graph(model, data)
    dead = [("conv1", 2), ("conv2", 5), ("fc1", 3)]
    assert list(graph.units[~graph.live].itertuples(index=False, name=None)) == dead
    for scope in ("global", "local"):
        partition = modviz.spectral_partition(graph, 3, scope=scope)
        assert np.array_equal(partition.labels == -1, ~graph.live)


def test_rounding_is_no_activity(data):
    """Units that read a constant may differ in their last bits, which would rank them at random."""
    model = tiny_mlp()
    with torch.no_grad():
        model.fc1.weight.zero_()
        model.fc1.bias.uniform_(0.5, 1)
    noisy = model.fc2.weight.shape[0]
    values = np.random.default_rng(0).normal(3, 1e-7, (50, noisy)).astype(np.float32)
    assert (activations._settled(values, "fc2") == 0).all()
    graph = modviz.activation_graph(model, data)
    assert not graph.live.any()
    with pytest.raises(ValueError, match="no unit of the graph has an edge"):
        modviz.spectral_partition(graph, 3)


def test_layers_that_do_not_connect_still_correlate(data):
    graph = modviz.activation_graph(tiny_mlp(), data, layers=["fc1", "fc3"])
    assert set(graph.blocks) == {(0, 0), (0, 1), (1, 1)}
    assert graph.blocks[0, 1].any()


def test_what_does_not_fit_is_said(data, monkeypatch):
    model = tiny_mlp()
    with pytest.raises(ValueError, match="there are 2 images; correlations need at least 3"):
        modviz.activation_graph(model, data[0][:2])
    with pytest.raises(ValueError, match="n_samples=2; expected at least 3"):
        modviz.activation_graph(model, data, n_samples=2)
    with pytest.raises(ValueError, match="no hidden layer 'fc9'"):
        modviz.activation_graph(model, data, layers=["fc9"])
    with pytest.raises(ValueError, match="kernel_norm='l3'"):
        modviz.activation_graph(model, data, kernel_norm="l3")
    with pytest.raises(TypeError, match="model is int"):
        modviz.activation_graph(3, data)
    conv3d = nn.Sequential(nn.Conv3d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2))
    with pytest.raises(
        ValueError, match="'induced' is a matrix norm and units of layer '0' have 3"
    ):
        modviz.activation_graph(conv3d, torch.rand(5, 1, 3, 3, 3), kernel_norm="induced")
    monkeypatch.setattr(activations, "_MOST_BYTES", 10_000)
    with pytest.raises(ValueError, match=r"of 62 units need 0.0 GiB.*layers=\('fc1', ...\)"):
        modviz.activation_graph(model, data)


def test_values_that_overflow_are_an_error(data):
    model = tiny_mlp()
    with torch.no_grad():
        model.fc1.weight.mul_(1e20)
    network = modviz.Network(model, data[0])
    with pytest.raises(NetworkError, match="'fc.' gives NaN or infinite values"):
        modviz.activation_graph(network, data[0] * 1e20)
