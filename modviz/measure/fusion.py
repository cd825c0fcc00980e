"""Which operations of a network can run as one: a layer with batch norm, sum and ReLU behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import fx, nn

from modviz.measure.affine import Affine, affine, folded, is_plain, is_relu
from modviz.measure.ops import PASSES, function_name
from modviz.measure.replay import Replay

#: Shape of every tensor of a run, the number of images first.
Shapes = Mapping[fx.Node, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Fusion:
    """A layer and what follows it, up to `last`, as one operation.

    Attributes
    ----------
    source : torch.fx.Node
        What the layer reads.
    layer : Affine
        With batch norm folded and ReLU noted.
    added : torch.fx.Node or None
        What is added before the ReLU.
    base : torch.fx.Node
        The value before the ReLU.
    last : torch.fx.Node
        Whose value comes out.
    nodes : tuple of torch.fx.Node
        All that is fused, in order.
    """

    source: fx.Node
    layer: Affine
    added: fx.Node | None
    base: fx.Node
    last: fx.Node
    nodes: tuple[fx.Node, ...]


class Fuser:
    """Finds what can be fused among the operations behind a lesion.

    Parameters
    ----------
    replay : Replay
    shapes : dict of torch.fx.Node to tuple of int
    after : sequence of torch.fx.Node
        The operations, in order.
    silenced : set of torch.fx.Node
        Values some units of which are silenced.
    folds : dict
        Layers with batch norm folded into them, by the operations; what is missing is added.
    """

    def __init__(
        self,
        replay: Replay,
        shapes: Shapes,
        after: Sequence[fx.Node],
        silenced: frozenset[fx.Node],
        folds: dict[tuple[fx.Node, ...], Affine | None],
    ) -> None:
        self._replay, self._shapes = replay, shapes
        self._nodes, self._changed = frozenset(after), frozenset(after) | silenced
        self._silenced, self._folds = silenced, folds
        self._taken: set[fx.Node] = set()
        found = [self._from(node) for node in reversed(after)]  # a sum goes to its later layer
        self.fusions = [fusion for fusion in found if fusion is not None]

    def _from(self, node: fx.Node) -> Fusion | None:
        module = self._replay.module(node)
        layer = None if module is None else affine(module)
        if layer is None or len(node.args) != 1 or node.kwargs:
            return None
        (source,) = node.args
        if not isinstance(source, fx.Node):
            return None
        fusion = Fusion(source, layer, None, node, node, (node,))
        while (further := self._further(fusion)) is not None:
            fusion = further
        self._taken.update(fusion.nodes)
        return fusion

    def _further(self, fusion: Fusion) -> Fusion | None:
        """The fusion with the next operation; None if that can't be fused."""
        if len(fusion.last.users) != 1 or fusion.last in self._silenced:
            return None
        (user,) = fusion.last.users
        if user not in self._nodes or user in self._taken:
            return None
        longer = replace(fusion, last=user, nodes=(*fusion.nodes, user))
        module = self._replay.module(user)
        if module is not None and type(module) in PASSES and is_plain(module):
            return longer
        if not fusion.layer.relu and is_relu(user, module):
            return replace(longer, layer=replace(fusion.layer, relu=True))
        if fusion.layer.relu:
            return None
        return self._with_norm(longer, module) or self._with_sum(fusion, longer)

    def _with_norm(self, longer: Fusion, norm: nn.Module | None) -> Fusion | None:
        if norm is None or longer.added is not None:
            return None
        if longer.nodes not in self._folds:
            self._folds[longer.nodes] = folded(longer.layer, norm)
        layer = self._folds[longer.nodes]
        return None if layer is None else replace(longer, layer=layer, base=longer.last)

    def _with_sum(self, fusion: Fusion, longer: Fusion) -> Fusion | None:
        other = self._other_term(longer.last, fusion)
        return None if other is None else replace(longer, added=other, base=longer.last)

    def _other_term(self, node: fx.Node, fusion: Fusion) -> fx.Node | None:
        """What a sum adds to the fusion's value, if it can be part of it."""
        if fusion.added is not None or function_name(node.target) != "add" or node.kwargs:
            return None
        if node.op not in ("call_function", "call_method") or len(node.args) != 2:
            return None
        others = [a for a in node.args if isinstance(a, fx.Node) and a is not fusion.last]
        if len(others) != 1 or self._shapes.get(others[0]) != self._shapes.get(fusion.last):
            return None
        # a difference starts from the intact sum, so that what is added must be intact too
        if fusion.source in self._silenced - self._nodes and others[0] in self._changed:
            return None
        return others[0]
