"""Labelled images that are on the machine already: scikit-learn's digits, and Fashion-MNIST.

Both come as `LabelledImages`, a torch Dataset that also gives its images and labels as whole
tensors, so it can be handed to `modviz.analyze` and to a DataLoader alike.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

FASHION_CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Boot",
)

#: Where the Debian package dataset-fashion-mnist puts its files.
_DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

#: First two bytes zero, 8 = unsigned bytes, then the number of dimensions.
_IDX_MAGIC = {1: 0x00000801, 3: 0x00000803}


class LabelledImages(Dataset[tuple[torch.Tensor, int]]):
    """Images and their classes, in memory.

    Parameters
    ----------
    images : Tensor of float32, shape (n, channels, height, width)
    labels : Tensor of int64, shape (n,)
        Class of each image, 0 .. number of classes - 1.
    classes : tuple of str
        Name of each class.
    name : str
        What the images are, for titles.

    Raises
    ------
    ValueError
        If there is not one label an image, or a label has no class name.
    """

    def __init__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        classes: tuple[str, ...],
        name: str = "images",
    ) -> None:
        if images.ndim != 4 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"images have shape {tuple(images.shape)} and labels {tuple(labels.shape)}; "
                "expected (n, channels, height, width) and (n,)"
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
            raise ValueError(
                f"labels run from {int(labels.min())} to {int(labels.max())}; expected 0 to "
                f"{len(classes) - 1} for {len(classes)} classes"
            )
        self.images = images
        self.labels = labels
        self.classes = classes
        self.name = name

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.images[index], int(self.labels[index])

    def __repr__(self) -> str:
        shape = " x ".join(str(size) for size in self.images.shape[1:])
        return f"LabelledImages({len(self):,} {self.name}, {shape}, {len(self.classes)} classes)"


def digits() -> tuple[LabelledImages, LabelledImages]:
    """Handwritten digits of 8 x 8 pixels, 1,797 in all, as they come with scikit-learn.

    Returns
    -------
    train, test : LabelledImages
        1,078 and 719 images of shape (1, 8, 8), values 0 .. 1; each class has the same share in
        both. The split is always the same.

    Examples
    --------
    >>> from modviz import examples
    >>> train, test = examples.digits()
    >>> train.images.shape[1:], len(train) + len(test)
    (torch.Size([1, 8, 8]), 1797)
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    labels = np.asarray(bunch.target, dtype=np.int64)
    images = np.asarray(bunch.images, dtype=np.float32)[:, None] / 16
    parts = train_test_split(np.arange(len(labels)), test_size=0.4, random_state=0, stratify=labels)
    classes = tuple(str(digit) for digit in range(10))
    train, test = (
        LabelledImages(
            torch.from_numpy(images[part]), torch.from_numpy(labels[part]), classes, "digits"
        )
        for part in parts
    )
    return train, test


def fashion_mnist(
    path: str | os.PathLike[str] | None = None,
) -> tuple[LabelledImages, LabelledImages]:
    """Fashion-MNIST: 28 x 28 grey pictures of ten kinds of clothing (arXiv:1708.07747).

    Parameters
    ----------
    path : path, optional
        Folder with the four idx files (``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte``), packed (``.gz``) or not. Default:
        where the Debian package ``dataset-fashion-mnist`` puts them.

    Returns
    -------
    train, test : LabelledImages
        60,000 and 10,000 images of shape (1, 28, 28), values 0 .. 1.

    Raises
    ------
    FileNotFoundError
        If a file is not there; the message says how to get it.
    ValueError
        If a file is not what its name says.
    """
    folder = _DEBIAN_FOLDER if path is None else Path(path)
    train, test = (_read_part(folder, part) for part in ("train", "t10k"))
    return train, test


def _read_part(folder: Path, part: str) -> LabelledImages:
    pixels = _read_idx(_find(folder, f"{part}-images-idx3-ubyte"), 3)
    labels = _read_idx(_find(folder, f"{part}-labels-idx1-ubyte"), 1)
    if len(pixels) != len(labels):
        raise ValueError(
            f"{part} in {str(folder)!r} has {len(pixels)} images but {len(labels)} labels; "
            "the files do not belong together"
        )
    return LabelledImages(
        torch.from_numpy(pixels.astype(np.float32) / 255)[:, None],
        torch.from_numpy(labels.astype(np.int64)),
        FASHION_CLASSES,
        "Fashion-MNIST pictures",
    )


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"no {name}.gz and no {name} in {str(folder)!r}. Get Fashion-MNIST with "
        "`apt install dataset-fashion-mnist` (Debian, Ubuntu), or give fashion_mnist(path) a "
        "folder with its four idx files"
    )


def _read_idx(file: Path, n_dimensions: int) -> NDArray[np.uint8]:
    """The array in an idx file, shape (n,) or (n, height, width)."""
    raw = file.read_bytes()
    try:
        data = gzip.decompress(raw) if file.suffix == ".gz" else raw
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{str(file)!r} is damaged ({error}); get it anew") from error
    length = 4 * (n_dimensions + 1)
    magic, expected = int.from_bytes(data[:4], "big"), _IDX_MAGIC[n_dimensions]
    if len(data) < length or magic != expected:
        raise ValueError(
            f"{str(file)!r} starts with {magic:#010x}; expected {expected:#010x}: an idx file of "
            f"unsigned bytes with {n_dimensions} dimension{'s' * (n_dimensions > 1)}"
        )
    shape = tuple(int(size) for size in np.frombuffer(data[4:length], dtype=">u4"))
    values = np.frombuffer(data, dtype=np.uint8, offset=length)
    if values.size != int(np.prod(shape)):
        raise ValueError(
            f"{str(file)!r} holds {values.size:,} bytes of data; its header says {shape}: the file "
            "is damaged or cut short"
        )
    return values.reshape(shape)
