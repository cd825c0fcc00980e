"""Near ties: answers that float32 can't tell apart, decided in double precision.

Ways to compute the same network differ by rounding. Where the two largest scores are so close that
rounding decides which is larger, the image is passed once more in double precision, so that an
answer never depends on batches, workers, kernels or the processor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from modviz.core.progress import Cancelled
from modviz.measure.replay import Env, Replay

#: Scores nearer than this, relative to the largest of the image, count as a near tie. Rounding
#: moved no score of the benchmark's networks by more than a thirteenth of it.
NEAR = 2.0**-14

#: From which share of exact ties on a network counts as dead.
_DEAD = 0.9

#: Images at once in double precision.
_AT_ONCE = 256


def near_ties(scores: torch.Tensor) -> torch.Tensor:
    """Where the two largest scores of (..., images, classes) are too close to call, (..., images).

    Not where nearly all images tie to the last bit: nothing gets through such a network, and the
    first class wins however it is computed.
    """
    if scores.shape[-1] < 2 or scores.dtype != torch.float32:
        return torch.zeros(scores.shape[:-1], dtype=torch.bool, device=scores.device)
    highest = scores.amax(dim=-1, keepdim=True)
    limit = highest - NEAR * scores.abs().amax(dim=-1, keepdim=True)
    near = (scores >= limit).sum(dim=-1) > 1
    exact = (scores == highest).sum(dim=-1) > 1
    dead = exact.float().mean(dim=-1, keepdim=True) > _DEAD
    return near & ~(exact & dead)


class Referee(Replay):
    """Runs a network in double precision, on the user's own parameters, which stay as they are.

    Parameters
    ----------
    replay : Replay
    """

    def __init__(self, replay: Replay) -> None:
        super().__init__(replay.graph, replay.root)
        self._doubled: dict[str, dict[str, torch.Tensor]] = {}

    def answers(
        self,
        images: torch.Tensor,
        amend: Callable[[slice], Mapping[fx.Node, Callable[[Any], Any]]],
        cancel: threading.Event | None = None,
    ) -> torch.Tensor | None:
        """Which class each image is given, shape (images,).

        Parameters
        ----------
        images : tensor
        amend : callable
            Of a part of the images; gives what to make of the values of some operations.
        cancel : threading.Event, optional

        Returns
        -------
        tensor of int64, or None
            None if the model can't run in double precision: it turns values into another type.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        """
        found = []
        try:
            for start in range(0, len(images), _AT_ONCE):
                if cancel is not None and cancel.is_set():
                    raise Cancelled
                part = slice(start, start + _AT_ONCE)
                env: Env = {self.input: images[part].double()}
                rest = (node for node in self.nodes if node is not self.input)
                self.run(env, rest, frozenset({self.output}), amend(part))
                found.append(env[self.output].argmax(dim=-1))
        except Cancelled:
            raise
        except Exception:  # noqa: BLE001 - a layer of the user's may refuse doubles in any way
            return None
        finally:
            self._doubled.clear()
        return torch.cat(found)

    def call(self, node: fx.Node, env: Mapping[fx.Node, Any]) -> Any:
        """The value of one operation in double precision."""
        module = self.module(node)
        if module is None:
            value = super().call(node, env)
            if node.op == "get_attr" and isinstance(value, torch.Tensor):
                return value.double() if value.is_floating_point() else value
            return value
        name = str(node.target)
        if name not in self._doubled:
            self._doubled[name] = _doubled(module)
        args = fx.map_arg(node.args, env.__getitem__)
        kwargs = fx.map_arg(node.kwargs, env.__getitem__)
        return torch.func.functional_call(
            module, self._doubled[name], args, dict(kwargs), tie_weights=False
        )


def _doubled(module: nn.Module) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = dict(module.named_buffers(remove_duplicate=False))
    tensors.update(module.named_parameters(remove_duplicate=False))
    return {name: t.double() for name, t in tensors.items() if t.is_floating_point()}
