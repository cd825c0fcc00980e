"""The example networks: shapes, start weights, and that training learns and leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from modviz import examples


@pytest.fixture(scope="module")
def digits():
    return examples.digits()


def sizes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim > 1}


def test_mlp_is_the_papers():
    model = examples.mlp()
    assert sizes(model) == {
        "fc1.weight": (256, 784),
        "fc2.weight": (256, 256),
        "fc3.weight": (256, 256),
        "fc4.weight": (256, 256),
        "output.weight": (10, 256),
    }
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert not any(isinstance(m, nn.Dropout) for m in model)
    with_dropout = examples.mlp(dropout=0.5, depth=2)
    assert [m.p for m in with_dropout if isinstance(m, nn.Dropout)] == [0.5, 0.5]


def test_cnn_is_the_papers():
    model = examples.cnn()
    assert sizes(model) == {
        "conv1.weight": (64, 1, 3, 3),
        "conv2.weight": (64, 64, 3, 3),
        "conv3.weight": (64, 64, 3, 3),
        "fc1.weight": (128, 64 * 7 * 7),
        "output.weight": (10, 128),
    }
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    kinds = [type(m).__name__ for m in model]
    assert kinds[:8] == [
        "Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7)])
def test_networks_fit_other_images(shape):
    for model in (examples.mlp(shape, 4, width=16), examples.cnn(shape, 4)):
        assert model(torch.zeros(2, *shape)).shape == (2, 4)


def test_networks_start_as_keras_does():
    for model in (examples.mlp(), examples.cnn()):
        for module in model:
            if not isinstance(module, (nn.Linear, nn.Conv2d)):
                continue
            positions = module.weight[0, 0].numel()
            fan = sum(module.weight.shape[:2]) * positions
            limit = (6 / fan) ** 0.5
            assert 0.97 * limit < float(module.weight.detach().abs().max()) <= limit
            assert not module.bias.any()


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="depth=0, width=256"):
        examples.mlp(depth=0)
    with pytest.raises(ValueError, match="at least 4 x 4 pixels"):
        examples.cnn((1, 3, 8))


def test_seed_decides_the_weights_and_global_numbers_are_left_alone():
    before = torch.get_rng_state()
    first, same, other = (examples.mlp(depth=1, width=8, seed=s) for s in (1, 1, 2))
    examples.cnn()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.fc1.weight, same.fc1.weight)
    assert not torch.equal(first.fc1.weight, other.fc1.weight)


@pytest.mark.parametrize("make", [examples.mlp, examples.cnn])
def test_training_learns_the_digits(digits, make):
    train, test = digits
    model = make((1, 8, 8))
    assert examples.accuracy(model, test) < 0.4
    assert examples.train(model, train, epochs=10, progress=False) is model
    assert examples.accuracy(model, test) > 0.9


def test_training_is_repeatable_dropout_included(digits):
    train, _ = digits
    before = torch.get_rng_state()
    models = [examples.mlp((1, 8, 8), width=32, depth=2, dropout=0.3) for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        examples.train(model, train, epochs=1, seed=seed, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    first, same, other = (model.fc1.weight for model in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_training_gives_modes_back_and_leaves_no_gradients(digits):
    train, test = digits
    model = examples.mlp((1, 8, 8), width=16, depth=2, dropout=0.1).eval()
    model.dropout1.train()
    modes = [m.training for m in model.modules()]
    examples.train(model, train, epochs=1, progress=False)
    examples.accuracy(model, test)
    assert [m.training for m in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())


def test_training_that_diverges_says_so_and_still_cleans_up(digits):
    train, _ = digits
    broken = examples.LabelledImages(train.images * torch.nan, train.labels, train.classes)
    model = examples.mlp((1, 8, 8), width=16, depth=1).eval()
    with pytest.raises(ValueError, match=r"loss is nan in epoch 1.*lr=0\.001"):
        examples.train(model, broken, epochs=2, progress=False)
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_progress_shows_loss_accuracy_and_time_left(digits, capsys):
    train, _ = digits
    examples.train(examples.mlp((1, 8, 8), width=16, depth=1), train, epochs=2)
    shown = capsys.readouterr()
    assert "epoch 2 of 2, loss " in shown.err
    assert ", accuracy 0." in shown.err
    assert "18/18" in shown.err
    assert shown.out == ""


def test_nothing_to_learn_from_is_refused(digits):
    train, _ = digits
    empty = examples.LabelledImages(train.images[:0], train.labels[:0], train.classes)
    model = examples.mlp((1, 8, 8), width=4, depth=1)
    with pytest.raises(ValueError, match="data is empty"):
        examples.train(model, empty, epochs=1, progress=False)
    with pytest.raises(ValueError, match="data is empty"):
        examples.accuracy(model, empty)
    with pytest.raises(ValueError, match="epochs=0"):
        examples.train(model, train, epochs=0, progress=False)


def test_accuracy_by_hand():
    class Always(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.tensor([0.0, 1.0, 0.5]))

        def forward(self, x):
            return self.bias.expand(len(x), 3)

    labels = torch.tensor([1, 1, 1, 0, 2])
    data = examples.LabelledImages(torch.zeros(5, 1, 2, 2), labels, ("a", "b", "c"))
    assert examples.accuracy(Always(), data) == pytest.approx(0.6)


@pytest.mark.slow
def test_mlp_learns_fashion_mnist(fashion_mnist_folder):
    train, test = examples.fashion_mnist(fashion_mnist_folder)
    model = examples.train(examples.mlp(), train, epochs=5, progress=False)
    assert examples.accuracy(model, test) >= 0.86
