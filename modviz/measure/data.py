"""The images and labels that a network is tested on, checked, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from modviz.measure.loaders import FORMS, images_of, length, names_of, reproducible
from modviz.measure.tensors import tensor_of

_EMPTY = "the data set is empty; lesions are tested on labelled images"


class LabelledData:
    """Images with their classes, from whatever form the user has them in.

    Parameters
    ----------
    data : pair of arrays or tensors, torch Dataset, or DataLoader
        Images as the model takes them, shape (n, ...), and class numbers, shape (n,).
    dtype : torch.dtype
        Floating type of the model; images of another floating type are converted.

    Attributes
    ----------
    n_images : int or None
        None if a DataLoader does not tell.
    classes : tuple of str or None
        Class names, if the data carry them (``.classes``, as torchvision's data sets do).
    """

    def __init__(self, data: Any, *, dtype: torch.dtype = torch.float32) -> None:
        self._dtype = dtype
        self._loader: DataLoader[Any] | None = None
        self._dataset: Dataset[Any] | None = None
        self._tensors: tuple[torch.Tensor, torch.Tensor] | None = None
        self._limits: tuple[torch.Tensor, torch.Tensor] | None = None
        self._given: int | None = None  # images of a whole pass, once there was one
        self._shape: torch.Size | None = None  # of an image, once there was one
        if isinstance(data, DataLoader):
            self._loader = data
            self.n_images = images_of(data)
        elif type(data) is TensorDataset and len(data.tensors) == 2:  # subclasses may transform
            self._tensors = self._checked(*data.tensors)
            self.n_images = len(self._tensors[0])
        elif isinstance(data, Dataset):
            self._dataset = data
            self.n_images = length(data)
        elif isinstance(data, Sequence) and len(data) == 2:
            self._tensors = self._checked(data[0], data[1])
            self.n_images = len(self._tensors[0])
        else:
            raise TypeError(f"data is {type(data).__name__}; expected {FORMS}")
        if self.n_images == 0:
            raise ValueError(_EMPTY)
        self.classes = names_of(data)

    def first(self, n: int = 64) -> torch.Tensor:
        """The first images, at most `n`, as an example of the model's input."""
        for images, _ in self._pieces(n):
            return images[:n]
        raise ValueError(_EMPTY)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image; read from the data if none was read yet."""
        if self._shape is None:
            return tuple(self.first(1).shape[1:])
        return tuple(self._shape)

    def channel_limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Least and greatest value by channel over all images.

        Images that `batches` has given already are not read again.
        """
        if self._limits is None:
            for images, _ in self._pieces(256):
                self._widen(images)
        if self._limits is None:
            raise ValueError(_EMPTY)
        return self._limits

    def _widen(self, images: torch.Tensor) -> None:
        other = [0, *range(2, images.ndim)] if images.ndim > 2 else list(range(images.ndim))
        low, high = images.amin(dim=other), images.amax(dim=other)
        if self._limits is not None:
            low, high = torch.minimum(low, self._limits[0]), torch.maximum(high, self._limits[1])
        self._limits = low, high

    def batches(
        self, size: int, n_classes: int, *, seed: int | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All images once, in batches of at most `size` with their labels.

        Images come in a random order (by `seed`) unless a DataLoader decides it, so that an
        estimate from the first batches is one from a fair sample; without a seed in their own.

        Raises
        ------
        ValueError
            If a label is not among 0 .. n_classes - 1, or all images are of one class.
        """
        seen: set[int] = set()
        for images, labels in self._pieces(size, seed=seed):
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= n_classes:
                raise ValueError(
                    f"labels run from {low} to {high}, but the model tells {n_classes} classes "
                    f"apart; expected numbers 0 .. {n_classes - 1}"
                )
            seen.update(labels.unique().tolist())
            self._widen(images)
            part = evenly(len(images), size)
            yield from zip(images.split(part), labels.split(part), strict=True)
        if not seen:
            raise ValueError(_EMPTY)
        if len(seen) < 2:
            raise ValueError(
                f"all images are of class {seen.pop()}; modviz compares the accuracies of classes "
                "and needs images of at least 2"
            )

    @property
    def in_memory(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """All images and labels; None if they come from a Dataset or DataLoader."""
        return self._tensors

    @property
    def in_order(self) -> bool:
        """Whether a DataLoader or a stream decides the order of the images, and not a seed."""
        return self._loader is not None or isinstance(self._dataset, IterableDataset)

    def images(self, size: int, *, seed: int) -> Iterator[torch.Tensor]:
        """All images once, in batches of at most `size`, in a random order as in `batches`."""
        for images, _ in self._pieces(size, seed=seed):
            yield from images.split(size)

    def _pieces(
        self, size: int, seed: int | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self._tensors is not None:
            images, labels = self._tensors
            order = torch.arange(len(images), device="cpu")
            if seed is not None:
                order = torch.from_numpy(np.random.default_rng(seed).permutation(len(images)))
            for part in order.split(evenly(len(images), size)):
                yield images[part], labels[part]
            return
        loader = self._loader if self._loader is not None else self._own_loader(size, seed)
        total = 0
        for number, batch in enumerate(reproducible(loader, 0 if seed is None else seed), 1):
            if not isinstance(batch, Sequence) or len(batch) != 2:
                parts = f" of {len(batch)}" if isinstance(batch, Sequence) else ""
                raise TypeError(
                    f"the data give {type(batch).__name__}{parts} as a batch; expected pairs "
                    "(images, labels)"
                )
            images, labels = self._checked(batch[0], batch[1])
            if not len(images):
                continue
            shape = images.shape[1:] if self._shape is None else self._shape
            if images.shape[1:] != shape:
                raise ValueError(
                    f"batch {number} of the data has images of shape {tuple(images.shape[1:])}, "
                    f"those before {tuple(shape)}; expected images of one shape: resize or crop"
                )
            total, self._shape = total + len(images), shape
            yield images, labels
        if self._given not in (None, total) or (self._shape is not None and not total):
            before = "some" if self._given is None else self._given
            raise ValueError(
                f"the data gave {before} images at first and {total} when gone through again; "
                "modviz reads them several times: give a Dataset or DataLoader that starts anew "
                "each time, with the same images"
            )
        self._given = total

    def _own_loader(self, size: int, seed: int | None) -> DataLoader[Any]:
        dataset: Any = self._dataset
        size = size if self.n_images is None else evenly(self.n_images, size)
        order = None
        if seed is not None and self.n_images is not None and not self.in_order:
            order = np.random.default_rng(seed).permutation(self.n_images).tolist()
        # a generator of its own: torch's global random numbers belong to the user
        return DataLoader(
            dataset, batch_size=size, sampler=order, generator=torch.Generator().manual_seed(0)
        )

    def _checked(self, images: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = tensor_of("images", images), tensor_of("labels", labels)
        if not x.is_floating_point():
            raise ValueError(
                f"images are {x.dtype}; expected floating-point images, scaled as the model takes "
                "them (bytes: images / 255, if it was trained so)"
            )
        if x.ndim < 2:
            raise ValueError(f"images have shape {tuple(x.shape)}; expected (n, ...)")
        if y.ndim != 1 or len(y) != len(x):
            many = y.ndim == 2 and len(y) == len(x) and y.shape[1] > 1
            raise ValueError(
                f"labels have shape {tuple(y.shape)} for {len(x)} images; expected one class "
                f"number an image, shape ({len(x)},)"
                + (": of one-hot labels take labels.argmax(1)" if many else "")
            )
        if y.is_complex():
            raise ValueError(f"labels are {y.dtype}; expected class numbers 0, 1, 2, ...")
        if y.is_floating_point() and not bool(((y == y.round()) & y.isfinite()).all()):
            raise ValueError("labels are fractions; expected class numbers 0, 1, 2, ...")
        converted = x.detach().to(self._dtype)
        if not bool(torch.isfinite(converted).all()):
            if bool(torch.isfinite(x).all()):
                raise ValueError(
                    f"images hold values too large for {self._dtype}, the model's type: scale them "
                    "as the model takes them"
                )
            raise ValueError("images hold NaN or infinite values; clean the data first")
        return converted, y.detach().long()


def evenly(n: int, size: int) -> int:
    """Size of batches, at most `size`, that leaves no small rest: some models fail on 1 image."""
    return -(-n // -(-n // size)) if n else size
