"""A model is run in one thread while another thread reads one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

import modviz
from tests.sweep.models import plain_model


class Waiting(nn.Module):
    """Waits in the midst of the run that is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.is_traced, self.go_on = threading.Event(), threading.Event()

    def forward(self, x):
        x = self.fc1(x.flatten(1))
        if isinstance(x, torch.fx.Proxy):
            self.is_traced.set()
            assert self.go_on.wait(60)
        return self.out(torch.relu(self.fc2(torch.relu(x))))


def test_models_run_while_another_is_traced():
    waiting, model, images = Waiting(), plain_model(), torch.rand(3, 1, 2, 2)
    before = model(images)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(modviz.Network, waiting, images)
        assert waiting.is_traced.wait(60)
        try:
            # the other reading waits for its turn; a plain run does not
            second = pool.submit(modviz.Network, model, images)
            assert torch.equal(plain_model()(images), before)
        finally:
            waiting.go_on.set()
        assert [layer.name for layer in first.result().hidden] == ["fc1", "fc2"]
        assert [layer.name for layer in second.result().hidden] == ["1", "3"]
    assert torch.equal(model(images), before)
