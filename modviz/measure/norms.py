"""By how much a batch norm scales its channels, be it a module or a function."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody gives it
from torch import fx

from modviz.measure.calls import Call
from modviz.measure.ops import BATCH_NORM_FUNCTIONS, BATCH_NORMS
from modviz.measure.signals import Opaque

#: Two functions of one name take their arguments in different orders.
_FUNCTIONAL = "input running_mean running_var weight bias training momentum eps".split()
_TENSOR = "input weight bias running_mean running_var training momentum eps".split()


def batch_norm_scale(call: Call) -> torch.Tensor | Opaque | None:
    """|gamma| / sqrt(var + eps) of every channel; None if the operation is no batch norm.

    An Opaque if it normalises by the batch at hand, so that no scale belongs to it.
    """
    if isinstance(call.module, BATCH_NORMS):
        given: dict[str, Any] = {
            "running_var": call.module.running_var,
            "weight": call.module.weight,
            "eps": call.module.eps,
        }
    elif call.module is None and call.operation in BATCH_NORM_FUNCTIONS:
        order = _FUNCTIONAL if call.node.target is F.batch_norm else _TENSOR
        values = dict(zip(call.nodes, call.tensors, strict=True))
        given = {**dict(zip(order, call.node.args, strict=False)), **call.node.kwargs}
        given = {k: values.get(v) if isinstance(v, fx.Node) else v for k, v in given.items()}
        if given.get("training"):
            return call.opaque("it normalises by the batch at hand, not by what it has learnt")
    else:
        return None
    variance, gamma = given.get("running_var"), given.get("weight")
    if not isinstance(variance, torch.Tensor):
        return call.opaque("it has no running statistics (track_running_stats=False)")
    deviation = torch.sqrt(variance.detach().cpu().double() + float(given.get("eps", 1e-5)))
    if not isinstance(gamma, torch.Tensor):
        return 1 / deviation
    return gamma.detach().cpu().double().abs() / deviation
