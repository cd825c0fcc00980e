"""Images that lie on the machine: shapes, ranges, and files that are not what they should be."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from modviz import examples

NAMES = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]


def idx(array: np.ndarray) -> bytes:
    magic = bytes([0, 0, 8, array.ndim])
    return magic + np.array(array.shape, dtype=">u4").tobytes() + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five training and three test pictures of 2 x 3 pixels; two files packed, two plain."""
    for name, n in zip(NAMES, (5, 5, 3, 3), strict=True):
        array = np.full((n, 2, 3), 255) if "images" in name else np.arange(n)
        if name.startswith("train"):
            (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (tmp_path / f"{name}-ubyte").write_bytes(idx(array))
    return tmp_path


def test_digits():
    train, test = examples.digits()
    assert len(train) == 1078
    assert len(test) == 719
    assert train.classes == tuple("0123456789")
    for part in (train, test):
        assert part.images.shape[1:] == (1, 8, 8)
        assert part.images.dtype == torch.float32
        assert part.labels.dtype == torch.int64
        assert float(part.images.min()) == 0.0
        assert float(part.images.max()) == 1.0
        share = torch.bincount(part.labels) / len(part)
        assert torch.allclose(share, torch.full((10,), 0.1), atol=0.005)
    again, _ = examples.digits()
    assert torch.equal(train.images, again.images)
    assert repr(test) == "LabelledImages(719 digits, 1 x 8 x 8, 10 classes)"


def test_digits_are_the_digits():
    train, _ = examples.digits()
    # a zero is dark in its middle, a one is not
    middle = train.images[:, 0, 3:5, 3:5].mean(dim=(1, 2))
    assert middle[train.labels == 0].mean() < 0.2 < 0.6 < middle[train.labels == 1].mean()


def test_labelled_images_are_a_torch_dataset():
    _, test = examples.digits()
    image, label = test[7]
    assert torch.equal(image, test.images[7])
    assert label == int(test.labels[7])
    images, labels = next(iter(DataLoader(test, batch_size=20)))
    assert torch.equal(images, test.images[:20])
    assert torch.equal(labels, test.labels[:20])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(3, 8, 8), torch.zeros(3, dtype=torch.int64), r"expected \(n, channels"),
        (torch.zeros(3, 1, 8, 8), torch.zeros(2, dtype=torch.int64), r"labels \(2,\)"),
        (torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 2]), "from 0 to 2; expected 0 to 1"),
    ],
)
def test_labelled_images_that_do_not_fit_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        examples.LabelledImages(images, labels, ("a", "b"))


def test_fashion_mnist(fashion_mnist_folder):
    train, test = examples.fashion_mnist(fashion_mnist_folder)
    assert (len(train), len(test)) == (60_000, 10_000)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert test.images.dtype == torch.float32
    assert (float(test.images.min()), float(test.images.max())) == (0.0, 1.0)
    assert torch.bincount(test.labels).tolist() == [1000] * 10
    assert test.classes[1] == "Trouser"
    # trousers are narrow: their outermost columns are empty, those of pullovers are not
    edge = test.images[:, 0, :, [4, 23]].mean(dim=(1, 2))
    assert edge[test.labels == 1].mean() < 0.1 < edge[test.labels == 2].mean()


def test_packed_and_plain_files_are_read(folder):
    train, test = examples.fashion_mnist(str(folder))
    assert (len(train), len(test)) == (5, 3)
    assert torch.equal(test.images, torch.ones(3, 1, 2, 3))
    assert train.labels.tolist() == [0, 1, 2, 3, 4]


def test_missing_files_say_how_to_get_them(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"t10k-labels.*apt install dataset-fashion-mnist"):
        examples.fashion_mnist(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with 0x00000000; expected 0x00000803"),
        (b"<html> not found", "starts with 0x3c68746d; expected 0x00000803"),
        (idx(np.zeros(3)), "expected 0x00000803: an idx file of unsigned bytes with 3 dimensions"),
        (idx(np.zeros((3, 2, 3)))[:-1], r"holds 17 bytes of data; its header says \(3, 2, 3\)"),
        (idx(np.zeros((2, 2, 3))), "2 images but 3 labels"),
    ],
)
def test_files_that_are_something_else_are_named(folder, content, message):
    (folder / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        examples.fashion_mnist(folder)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(bytes(500), mtime=0)[:-9]])
def test_a_damaged_gz_file_is_named(folder, content):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz.*damaged"):
        examples.fashion_mnist(folder)
