"""Small networks and data, and what must not change about a network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

Data = tuple[torch.Tensor, torch.Tensor]


def tiny_mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(16, 24),
            relu1=nn.ReLU(inplace=True),
            drop1=nn.Dropout(0.5),
            fc2=nn.Linear(24, 20),
            relu2=nn.ReLU(),
            fc3=nn.Linear(20, 18),
            relu3=nn.ReLU(),
            output=nn.Linear(18, 4),
        )
    )


def tiny_cnn(seed: int = 0) -> nn.Sequential:
    """Batch norm before one activation, after another, with statistics that matter."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 10, 3, padding=1),
            bn1=nn.BatchNorm2d(10),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(10, 12, 3),
            relu2=nn.ReLU(inplace=True),
            bn2=nn.BatchNorm2d(12),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(12, 14),
            relu3=nn.ReLU(),
            output=nn.Linear(14, 4),
        )
    )
    for module in model:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -2, 2)
            nn.init.uniform_(module.bias, -1, 1)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.3, 2)
    return model


def four_by_four(n: int = 240, seed: int = 0) -> Data:
    """Images of 4 x 4 pixels in four classes: a bright quadrant each, and noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=generator)
    labels[:4] = torch.arange(4)
    images = 0.6 * torch.rand(n, 1, 4, 4, generator=generator)
    for k, label in enumerate(labels.tolist()):
        row, column = divmod(label, 2)
        images[k, 0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += 0.4
    return images, labels


def trained(model: nn.Module, data: Data, steps: int = 150) -> nn.Module:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data[0]), data[1]).backward()
        optimizer.step()
    model.zero_grad(set_to_none=True)
    return model


def state_of(model: nn.Module) -> dict[str, object]:
    """Everything about a model that modviz must leave alone, in a form that can be compared."""
    state: dict[str, object] = {}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        state[f"{name} bits"] = tensor.detach().numpy().tobytes()
        state[f"{name} identity"] = id(tensor)
    for name, parameter in model.named_parameters():
        state[f"{name} requires_grad"] = parameter.requires_grad
        state[f"{name} grad"] = id(parameter.grad)
        if parameter.grad is not None:
            state[f"{name} grad bits"] = parameter.grad.numpy().tobytes()
    for name, module in model.named_modules():
        state[f"{name} training"] = module.training
        state[f"{name} inplace"] = getattr(module, "inplace", None)
        for key, value in vars(module).items():
            if "hooks" in key:
                state[f"{name} {key}"] = list(value) if value is not None else None
        state[f"{name} attributes"] = sorted(vars(module))
    return state


@contextmanager
def left_alone(model: nn.Module) -> Iterator[None]:
    """Fail unless the model comes out of the block exactly as it went in."""
    random_state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].tobytes()  # noqa: NPY002 - the user's global generator
    before, threads = state_of(model), torch.get_num_threads()
    try:
        yield
    finally:
        assert state_of(model) == before
        assert torch.get_num_threads() == threads
        assert torch.equal(torch.get_rng_state(), random_state)
        assert np.random.get_state()[1].tobytes() == numpy_state  # noqa: NPY002
