"""What a DataLoader or Dataset of the user tells of itself, and its batches in a repeatable way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

FORMS = "(images, labels), a torch Dataset or a DataLoader of such pairs"

#: More images than anybody has: who says so is mistaken.
_MOST = 2**28


def images_of(loader: DataLoader[Any]) -> int | None:
    """How many images a loader gives in one pass; None if it does not tell."""
    batches = loader.batch_sampler
    if type(batches) is not BatchSampler or length(loader.dataset) is None:
        return None  # a stream, or batches of the user's own: an item may be one, too
    n = length(batches.sampler)
    if n is not None and batches.drop_last:
        n -= n % batches.batch_size
    return n


def length(data: Any) -> int | None:
    """How many items there are, as the data tell; None if they do not, or are a stream.

    Whatever a stream says of its length, only its end is sure.

    Raises
    ------
    ValueError
        If it is a number that can't be.
    """
    if isinstance(data, IterableDataset):
        return None
    try:
        n = len(data)
    except (TypeError, NotImplementedError):
        return None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"the length of the data, len(data), is no number: {error}") from error
    if n > _MOST:
        raise ValueError(f"the data say they have {n:,} images; expected at most {_MOST:,}")
    return n


def names_of(data: Any) -> tuple[str, ...] | None:
    """Class names, if the data carry them in a list ``.classes``."""
    names = getattr(data.dataset if isinstance(data, DataLoader) else data, "classes", None)
    return tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else None


def reproducible(loader: DataLoader[Any], seed: int) -> Iterator[Any]:
    """The batches of a loader; what it draws from torch's global generator is decided by `seed`.

    The user's own sequence of random numbers goes on as if nothing had been drawn. What the data
    raise is passed on with a note.
    """
    iterator, batch = None, 0
    while True:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((seed + batch) % 2**63)
            try:
                iterator = iter(loader) if iterator is None else iterator
                values = next(iterator)
            except StopIteration:
                return
            except TypeError as error:
                raise TypeError(
                    f"the data could not be put into batches ({error}); expected {FORMS}, with "
                    "images as tensors or arrays"
                ) from error
            except Exception as error:
                error.add_note(f"modviz was reading batch {batch + 1} of the data.")
                raise
        batch += 1
        yield values
