"""Images, labels and what holds them, in odd forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, TensorDataset

from tests.sweep.judging import Odd

N_IMAGES, N_CLASSES = 24, 3


def images_of(seed: int) -> torch.Tensor:
    """Images of 2 x 2 pixels whose values float16 can hold; no two are equal."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 65, (N_IMAGES, 1, 2, 2)) / 64
    values[:, 0, 0, 0] = np.arange(N_IMAGES) / 32
    return torch.from_numpy(values).float()


def labels_of(seed: int) -> torch.Tensor:
    labels = np.random.default_rng(seed).integers(0, N_CLASSES, N_IMAGES)
    labels[:N_CLASSES] = np.arange(N_CLASSES)
    return torch.from_numpy(labels)


def _at(value: float, dtype: torch.dtype = torch.float32) -> Callable[[torch.Tensor], Any]:
    """One value in the middle changed."""

    def change(x: torch.Tensor) -> torch.Tensor:
        changed = x.to(dtype).clone()
        changed[len(x) // 2] = value
        return changed

    return change


def _in_inference(x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return x.clone()


def _read_only(x: torch.Tensor) -> np.ndarray:
    array = x.numpy().copy()
    array.flags.writeable = False
    return array


def _table(good: dict[str, Any], bad: dict[str, tuple[Any, str]]) -> list[Odd]:
    found = [Odd(name, make) for name, make in good.items()]
    return found + [Odd(name, make, words) for name, (make, words) in bad.items()]


IMAGES = _table(
    {
        "array": torch.Tensor.numpy,
        "float16": torch.Tensor.half,
        "bfloat16": torch.Tensor.bfloat16,
        "float64": torch.Tensor.double,
        "lists": torch.Tensor.tolist,
        "list of tensors": list,
        "tuple of arrays": lambda x: tuple(x.numpy()),
        "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
        "every other": lambda x: x.repeat_interleave(2, dim=0)[::2],
        "transposed": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
        "backwards": lambda x: x.numpy()[::-1].copy()[::-1],
        "fortran": lambda x: np.asfortranarray(x.numpy()),
        "read-only": _read_only,
        "big endian": lambda x: x.numpy().astype(">f4"),
        "long double": lambda x: x.numpy().astype(np.longdouble),
        "float16 array": lambda x: x.numpy().astype(np.float16),
        "with gradient": lambda x: x.clone().requires_grad_(),
        "parameter": torch.nn.Parameter,
        "from inference mode": _in_inference,
        "mask without effect": np.ma.MaskedArray,
    },
    {
        "bytes": (lambda x: (x * 64).byte(), "images are torch.uint8; expected floating-point"),
        "integers": (lambda x: (x * 64).long(), "images are torch.int64; expected floating"),
        "unsigned": (lambda x: (x * 64).numpy().astype(np.uint16), "images are torch.uint16"),
        "bools": (lambda x: x > 0.5, "images are torch.bool; expected floating"),
        "complex": (lambda x: x + 0j, "images are torch.complex64; expected floating"),
        "nan": (_at(np.nan), "images hold NaN or infinite"),
        "inf": (_at(-np.inf), "images hold NaN or infinite"),
        "too large": (_at(1e300, torch.float64), "images hold values too large for torch.float32"),
        "meta": (lambda x: x.to("meta"), "images are on torch's device 'meta'"),
        "sparse": (torch.Tensor.to_sparse, "images are a sparse tensor"),
        "quantized": (
            lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8),
            "images are a quantized tensor",
        ),
        "nested": (lambda x: torch.nested.nested_tensor(list(x)), "images are a nested tensor"),
        "None": (lambda x: None, "images is NoneType of object; expected"),
        "text": (lambda x: "images", "images is str of <U6; expected"),
        "objects": (lambda x: x.numpy().astype(object), "images is ndarray of object; expected"),
        "dates": (lambda x: np.zeros(x.shape, "datetime64[s]"), "images is ndarray of datetime64"),
        "masked": (
            lambda x: np.ma.MaskedArray(x.numpy(), mask=x.numpy() > 0.9 * float(x.max())),
            "images are a masked array",
        ),
        "ragged": (lambda x: [*x.tolist(), [1.0]], "images is list; expected an array"),
        "ragged tensors": (lambda x: [*x, torch.ones(3)], "images is a list of tensors that"),
        "dict": (lambda x: {"images": x}, "images is dict of object; expected"),
        "function": (lambda x: x.numpy, "images is .* of object; expected"),
        "flat": (torch.Tensor.ravel, r"images have shape \(96,\)"),
        "a number": (lambda x: x[0, 0, 0, 0], r"images have shape \(\)"),
        "none of them": (lambda x: x[:0], "the data set is empty|labels have shape"),
    },
)
LABELS = _table(
    {
        "list": torch.Tensor.tolist,
        "tuple": lambda y: tuple(y.tolist()),
        "array": torch.Tensor.numpy,
        "uint8": torch.Tensor.byte,
        "int8 array": lambda y: y.numpy().astype(np.int8),
        "uint16 array": lambda y: y.numpy().astype(np.uint16),
        "uint64 array": lambda y: y.numpy().astype(np.uint64),
        "whole floats": torch.Tensor.float,
        "float16": torch.Tensor.half,
        "bfloat16": torch.Tensor.bfloat16,
        "with gradient": lambda y: y.float().requires_grad_(),
        "list of floats": lambda y: y.double().tolist(),
        "list of tensors": list,
        "series": lambda y: pd.Series(y.numpy(), index=range(7, 7 + len(y))),
        "every other": lambda y: y.repeat_interleave(2)[::2],
        "backwards": lambda y: y.numpy()[::-1].copy()[::-1],
        "read-only": _read_only,
        "big endian": lambda y: y.numpy().astype(">i4"),
        "from inference mode": _in_inference,
    },
    {
        "one-hot": (
            lambda y: torch.nn.functional.one_hot(y, N_CLASSES),
            r"labels have shape \(24, 3\) .* take labels.argmax",
        ),
        "column": (lambda y: y[:, None], r"labels have shape \(24, 1\)"),
        "fewer": (lambda y: y[:-1], r"labels have shape \(23,\) for"),
        "more": (lambda y: torch.cat([y, y]), r"labels have shape \(48,\) for"),
        "one": (lambda y: y[0], r"labels have shape \(\) for"),
        "halves": (lambda y: y + 0.5, "labels are fractions"),
        "nan": (_at(np.nan), "labels are fractions"),
        "inf": (_at(np.inf), "labels are fractions"),
        "complex": (lambda y: y + 0j, "labels are torch.complex64; expected class"),
        "texts": (lambda y: [f"class {k}" for k in y.tolist()], "labels is list of <U"),
        "None": (lambda y: None, "labels is NoneType of object"),
        "None among them": (lambda y: [*y.tolist()[:-1], None], "labels is list of object"),
        "objects": (lambda y: [object()] * len(y), "labels is list of object"),
        "dict": (lambda y: dict(enumerate(y.tolist())), "labels is dict of object"),
        "meta": (lambda y: y.to("meta"), "labels are on torch's device 'meta'"),
        "sparse": (torch.Tensor.to_sparse, "labels are a sparse tensor"),
        "masked": (
            lambda y: np.ma.MaskedArray(y.numpy(), mask=y.numpy() == 1),
            "labels are a masked array",
        ),
    },
)
#: Labels that are numbers, but not those of the model's classes; where labels are looked at.
WRONG_CLASSES = _table(
    {},
    {
        "negative": (lambda y: y - 1, "labels run from .*, but the model tells 3 classes"),
        "from 1": (lambda y: y + 1, "labels run from .*, but the model tells 3 classes"),
        "huge": (lambda y: y + 2**62, "labels run from .*, but the model tells 3 classes"),
        "one class": (lambda y: y * 0 + 1, "all images are of class 1"),
    },
)


class Pairs(Dataset):
    """A Dataset of pairs; `as_label` says in what form a label comes."""

    def __init__(self, images: Any, labels: Any, as_label: Callable[[int], Any] = int) -> None:
        self.images, self.labels, self.as_label = images, labels, as_label

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index], self.as_label(self.labels[index])


class Stream(IterableDataset):
    """The same pairs one after the other, with a length or without."""

    def __init__(self, images: Any, labels: Any) -> None:
        self.images, self.labels = images, labels

    def __iter__(self) -> Iterator[Any]:
        yield from zip(self.images, self.labels.tolist(), strict=True)


class LongStream(Stream):
    def __len__(self) -> int:
        return len(self.images)


class Batches(Dataset):
    """Batches of odd sizes, some of them empty; for a DataLoader that makes none itself."""

    def __init__(self, images: Any, labels: Any) -> None:
        cuts = [5, 0, 1, 11, 0, len(images) - 17]
        self.batches = list(zip(images.split(cuts), labels.split(cuts), strict=True))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


@dataclass(frozen=True)
class Holder:
    """What holds images and labels, given both as tensors."""

    name: str
    make: Callable[[torch.Tensor, torch.Tensor], Any]
    refused: str | None = None

    def __repr__(self) -> str:
        return self.name


def _loader(**options: Any) -> Callable[[torch.Tensor, torch.Tensor], Any]:
    return lambda x, y: DataLoader(TensorDataset(x, y), **options)


def _by_generator(x: torch.Tensor, y: torch.Tensor) -> Any:
    return DataLoader(
        TensorDataset(x, y), batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(1)
    )


def _batch_sampler(x: torch.Tensor, y: torch.Tensor) -> Any:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(2)).tolist()
    return DataLoader(TensorDataset(x, y), batch_sampler=BatchSampler(order, 7, drop_last=False))


def _own_batches(x: torch.Tensor, y: torch.Tensor) -> Any:
    return DataLoader(TensorDataset(x, y), batch_sampler=[[0, 3], [*range(4, len(x)), 1], [2]])


HOLDERS = [
    Holder("tuple", lambda x, y: (x, y)),
    Holder("list", lambda x, y: [x, y]),
    Holder("TensorDataset", TensorDataset),
    Holder("dataset", Pairs),
    Holder("dataset of numpy labels", lambda x, y: Pairs(x, y, np.int64)),
    Holder("dataset of tensors", lambda x, y: Pairs(x, y, torch.Tensor.float)),
    Holder("dataset of arrays", lambda x, y: Pairs(x.numpy(), y.numpy())),
    Holder("subset", lambda x, y: torch.utils.data.Subset(Pairs(x, y), range(len(x)))),
    Holder("stream", Stream),
    Holder("stream with a length", LongStream),
    Holder("loader", _loader(batch_size=7)),
    Holder("loader of one", _loader(batch_size=1)),
    Holder("shuffling loader", _loader(batch_size=5, shuffle=True)),
    Holder("loader with a generator", _by_generator),
    Holder("loader of a stream", lambda x, y: DataLoader(Stream(x, y), batch_size=9)),
    Holder("loader of a long stream", lambda x, y: DataLoader(LongStream(x, y), batch_size=9)),
    Holder("batch sampler", _batch_sampler),
    Holder("lists of batches", _own_batches),
    Holder("odd batches", lambda x, y: DataLoader(Batches(x, y), batch_size=None)),
    Holder("texts as labels", lambda x, y: Pairs(x, y, str), "labels is (list|tuple) of <U"),
    Holder("lists as labels", lambda x, y: Pairs(x, y, lambda v: [int(v), 0]), "labels"),
    Holder("None as labels", lambda x, y: Pairs(x, y, lambda v: None), "could not be put into b"),
    Holder("images alone", lambda x, y: DataLoader(TensorDataset(x), batch_size=4),
           "the data give list of 1 as a batch; expected pairs"),
    Holder("three parts", lambda x, y: DataLoader(TensorDataset(x, y, y), batch_size=4),
           "the data give list of 3 as a batch; expected pairs"),
    Holder("dicts", lambda x, y: DataLoader([{"x": i, "y": k} for i, k in zip(x, y, strict=True)]),
           "the data give dict as a batch; expected pairs"),
    Holder("array", lambda x, y: x.numpy(), "data is ndarray; expected"),
    Holder("tensor", lambda x, y: x, "data is Tensor; expected"),
    Holder("dict", lambda x, y: {"images": x, "labels": y}, "data is dict; expected"),
    Holder("iterator", lambda x, y: iter([(x, y)]), "data is list_iterator; expected"),
    Holder("None", lambda x, y: None, "data is NoneType; expected|example_input is missing"),
    Holder("three", lambda x, y: (x, y, y), "data is tuple; expected"),
    Holder("class", lambda x, y: Pairs, "data is type; expected"),
    Holder("path", lambda x, y: "images.npz", "data is str; expected"),
    Holder("two letters", lambda x, y: "xy", "images is str of <U1; expected"),
]  # fmt: skip
