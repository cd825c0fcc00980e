"""Train a classifier on images that fit into memory, and say how often it is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from modviz.examples.data import LabelledImages

#: Images per forward pass where no gradients are needed.
_EVALUATION_BATCH = 1000


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of torch from `seed` inside; the global state comes back afterwards."""
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        torch.manual_seed(seed)
        yield


@contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Every module in training or evaluation mode inside, and in its own mode afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode


@contextmanager
def _threads(model: nn.Module) -> Iterator[None]:
    """One thread an operation for networks of small matrix products, which more only slow down."""
    before = torch.get_num_threads()
    if not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    model: nn.Module,
    data: LabelledImages,
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = 1e-3,
    seed: int = 0,
    progress: bool = True,
) -> nn.Module:
    """Train a classifier in place with Adam and cross entropy.

    Parameters
    ----------
    model : nn.Module
        Gives logits, shape (n, classes). It is trained on its own device.
    data : LabelledImages
        What to learn.
    epochs : int
        How often every image is seen.
    batch_size : int
        Images per step.
    lr : float
        Step size of Adam; its epsilon is 1e-7, as in Keras.
    seed : int
        Decides the order of the images and the dropout. torch's global random numbers stay as they
        are.
    progress : bool
        Show a bar with loss, accuracy and the time left.

    Returns
    -------
    nn.Module
        `model` itself, in the mode (training or evaluation) it came in and with its gradients
        cleared.

    Raises
    ------
    ValueError
        If there is nothing to learn from, or the loss becomes NaN or infinite.

    Examples
    --------
    >>> from modviz import examples
    >>> train, test = examples.digits()
    >>> model = examples.mlp((1, 8, 8), width=32, depth=1)
    >>> before = examples.accuracy(model, test)
    >>> examples.train(model, train, epochs=2, progress=False) is model
    True
    >>> examples.accuracy(model, test) > before
    True
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs={epochs}, batch_size={batch_size}; expected at least 1 of each")
    if len(data) == 0:
        raise ValueError("data is empty; training needs images")
    device = next(model.parameters()).device
    images, labels = data.images.to(device), data.labels.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, eps=1e-7)
    steps = -(-len(data) // batch_size)
    with (
        seeded(seed),
        _mode(model, training=True),
        _threads(model),
        tqdm(total=epochs * steps, desc="training", unit="step", disable=not progress) as bar,
    ):
        try:
            for epoch in range(1, epochs + 1):
                loss_sum, right = torch.zeros((), device=device), torch.zeros((), device=device)
                for batch in torch.randperm(len(data)).to(device).split(batch_size):
                    logits = model(images[batch])
                    loss = functional.cross_entropy(logits, labels[batch])
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
                    loss_sum += loss.detach() * len(batch)
                    right += (logits.detach().argmax(dim=1) == labels[batch]).sum()
                    bar.update()
                mean_loss = float(loss_sum) / len(data)
                if not mean_loss < float("inf"):
                    raise ValueError(
                        f"the loss is {mean_loss} in epoch {epoch}: training diverged; "
                        f"choose a smaller step than lr={lr}, and check the images for NaN"
                    )
                bar.set_postfix_str(
                    f"epoch {epoch} of {epochs}, loss {mean_loss:.3f}, "
                    f"accuracy {float(right) / len(data):.3f}"
                )
        finally:
            optimizer.zero_grad(set_to_none=True)
    return model


def accuracy(model: nn.Module, data: LabelledImages) -> float:
    """Share of images whose class has the largest logit, 0 .. 1, in evaluation mode.

    Examples
    --------
    >>> from modviz import examples
    >>> planted = examples.planted_mlp(n_modules=2, width=8, depth=2, noise=0.0)
    >>> examples.accuracy(planted.model, planted.data) > 0.9
    True
    """
    if len(data) == 0:
        raise ValueError("data is empty; an accuracy needs images")
    device = next(model.parameters()).device
    right = 0
    with _mode(model, training=False), torch.inference_mode():
        batches = zip(
            data.images.split(_EVALUATION_BATCH), data.labels.split(_EVALUATION_BATCH), strict=True
        )
        for images, labels in batches:
            right += int((model(images.to(device)).argmax(dim=1).cpu() == labels).sum())
    return right / len(data)
