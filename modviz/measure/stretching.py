"""From pictures in 0 .. 1 to inputs as a network expects them, where nobody says how."""

from __future__ import annotations

from functools import partial

import torch

from modviz.measure.data import LabelledData
from modviz.measure.features import Preprocess


def to_range_of(data: LabelledData) -> Preprocess:
    """Stretch pictures from 0 .. 1 to the range of the data, channel by channel."""
    low, high = data.channel_limits()
    if bool((low >= 0).all()) and bool((high <= 1).all()):
        return _as_they_are
    return partial(_stretched, low=low, high=high)


def _as_they_are(pictures: torch.Tensor) -> torch.Tensor:
    return pictures


def _stretched(pictures: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    shape = (1, -1, *[1] * (pictures.ndim - 2)) if low.ndim else ()
    least, most = (limit.reshape(shape).to(pictures) for limit in (low, high))
    return least + (most - least) * pictures
