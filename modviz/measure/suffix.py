"""What follows a lesion, made ready to run many times: fused, folded, and as a difference.

The operations behind the silenced values are those of the model, in its order, in an equivalent
form: a batch norm becomes part of the weights before it, a sum and a ReLU part of the product
before them. Where a layer reads the silenced values themselves its intact output is known: only
what the silenced units gave to it is taken away, at the cost of those units alone. All of it
changes results by rounding only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from modviz.measure.affine import Affine, Form
from modviz.measure.fusion import Fuser, Fusion, Shapes
from modviz.measure.kernels import Kernel, plain
from modviz.measure.layout import contiguous, reads_any_layout
from modviz.measure.replay import Env, Replay
from modviz.measure.steps import Intact, Part, Stage, Step, Values, largest, staged

#: A difference counts if the largest value of an image is at least this part of what it was.
_LEFT = 2.0**-5


@dataclass(eq=False)
class Kernels:
    """What the suffixes of a network share.

    Attributes
    ----------
    ready : dict
        Layers in their quickest form, by the operations that they stand for.
    folds : dict
        Layers with batch norm folded into them, likewise.
    lavish : bool
        Whether there is memory for forms that hold the weights several times.
    """

    ready: dict[tuple[fx.Node, ...], Kernel] = field(default_factory=dict)
    folds: dict[tuple[fx.Node, ...], Affine | None] = field(default_factory=dict)
    lavish: bool = False


@dataclass(frozen=True, eq=False)
class Cut:
    """A value that is silenced.

    Attributes
    ----------
    axis : int
        The dimension along which units stand.
    n_units : int
        How many there are; each has as many places in a row as the dimension is longer.
    fill : tensor of shape (units,), or None
        What silenced units become; None = 0.
    """

    axis: int
    n_units: int
    fill: torch.Tensor | None


class Suffix:
    """The operations behind some silenced values.

    Parameters
    ----------
    replay : Replay
    shapes : dict of torch.fx.Node to tuple of int
        Of the tensors of a run.
    cuts : dict of torch.fx.Node to Cut
        The values to silence; some of them may follow others.
    kernels : dict
        Where layers in their quickest form are kept, for this and other suffixes.

    Attributes
    ----------
    reads : set of torch.fx.Node
        Values of the intact run that lesions need.
    sources : set of torch.fx.Node
        Those of them of which a few channels are taken at a time.
    stages : list of Stage
    """

    def __init__(
        self, replay: Replay, shapes: Shapes, cuts: Mapping[fx.Node, Cut], kernels: Kernels
    ) -> None:
        self._replay, self._shapes, self._cuts, self._kernels = replay, shapes, dict(cuts), kernels
        after = replay.after(cuts)
        self._later_cuts = frozenset(cuts) & frozenset(after)
        fusions = Fuser(replay, shapes, after, frozenset(cuts), kernels.folds).fusions
        by_last = {fusion.last: fusion for fusion in fusions}
        inside = {node for fusion in fusions for node in fusion.nodes} - set(by_last)
        steps = [
            self._fused(by_last[node]) if node in by_last else self._plain(node)
            for node in after
            if node not in inside
        ]
        made = {step.node for step in steps}
        intact = {n for step in steps if step.takes_difference for n in step.reads}
        read = {n for step in steps if not step.takes_difference for n in step.reads}
        self.reads = frozenset(intact | (read - made))
        #: Values of which a few channels are taken and nothing else.
        self.sources = intact & frozenset(cuts) - read
        #: Cuts whose silenced copies are needed, because some reader takes no difference.
        self._copied = (frozenset(cuts) - self._later_cuts) & read
        sizes = {node: 4 * math.prod(shape[1:]) for node, shape in shapes.items()}
        self.stages = staged(steps, self._copied, sizes)

    @property
    def bytes_per_image(self) -> int:
        """Size of all values that are made, for one image."""
        nodes = [step.node for stage in self.stages for step in stage.steps]
        return sum(4 * math.prod(self._shapes.get(node, (0,))[1:]) for node in nodes)

    def lesion(self, units: torch.Tensor) -> Callable[[Intact], torch.Tensor]:
        """Ready to silence some units, in as many batches as one likes.

        Parameters
        ----------
        units : tensor of int64
            Their numbers.

        Returns
        -------
        callable
            Of the values of `reads` of the intact run; gives the network's output.
        """
        runs = [self._run(stage, units) for stage in self.stages]

        def output(intact: Intact) -> torch.Tensor:
            value = torch.empty(0)
            for stage, run in zip(self.stages, runs, strict=True):
                found = [
                    run(part, None if stage.entry is None else value[images])
                    for images, part in intact.parts(stage.at_once)
                ]
                value = found[0] if len(found) == 1 else torch.cat(found)
            return value

        return output

    def _run(
        self, stage: Stage, units: torch.Tensor
    ) -> Callable[[Part, torch.Tensor | None], torch.Tensor]:
        """A stage ready for some units: of intact values and its entry; gives its last value."""
        runs = [(step, step.bind(units)) for step in stage.steps]
        unread = stage.unread
        first = self._copied if stage.entry is None else frozenset()
        last = stage.steps[-1].node

        def run(intact: Part, entry: torch.Tensor | None) -> torch.Tensor:
            env: Env = {cut: self._silenced(cut, intact[cut], units) for cut in first}
            if stage.entry is not None:
                env[stage.entry] = entry

            def changed(node: fx.Node) -> Any:
                return env[node] if node in env else intact[node]

            for step, made in runs:
                result = made(intact if step.takes_difference else changed)
                if step.node in self._later_cuts:
                    result = self._silenced(step.node, result, units)
                env[step.node] = result
                for node in unread[step.node]:
                    env.pop(node, None)
            output: torch.Tensor = env[last]
            return output

        return run

    # ---- steps -----------------------------------------------------------------------------------

    def _plain(self, node: fx.Node) -> Step:
        minds = not reads_any_layout(self._replay, node)  # the code may say .view()

        def bind(_units: torch.Tensor) -> Callable[[Values], Any]:
            def run(value: Values) -> Any:
                env = {n: value(n) for n in node.all_input_nodes}
                if minds:
                    env = {n: contiguous(v) for n, v in env.items()}
                return self._replay.call(node, env)

            return run

        return Step(node, tuple(node.all_input_nodes), bind)

    def _fused(self, fusion: Fusion) -> Step:
        first = fusion.source in self._cuts and fusion.source not in self._later_cuts
        if first and self._in_columns(fusion):
            return self._difference(fusion, Kernel(fusion.layer))
        ready = self._kernels.ready
        if fusion.nodes not in ready:
            ready[fusion.nodes] = Kernel(fusion.layer, lavish=self._kernels.lavish)
        kernel = ready[fusion.nodes]
        source, added = fusion.source, fusion.added

        def run(value: Values) -> torch.Tensor:
            return kernel(value(source), None if added is None else value(added))

        reads = (source,) if added is None else (source, added)
        return Step(fusion.last, reads, lambda _units: run)

    def _in_columns(self, fusion: Fusion) -> bool:
        """Whether the units of a cut are input channels of a layer that reads it."""
        dimensions = len(self._shapes[fusion.source])
        channels = dimensions - 1 if fusion.layer.weight.ndim == 2 else 1
        return self._cuts[fusion.source].axis == channels and fusion.layer.groups == 1

    def _difference(self, fusion: Fusion, kernel: Kernel) -> Step:
        source, base, added = fusion.source, fusion.base, fusion.added
        cut, whole = self._cuts[source], plain(fusion.layer)

        def bind(units: torch.Tensor) -> Callable[[Part], torch.Tensor]:
            columns = self._places(source, units)
            layer = fusion.layer.response_to(columns)
            form: Form | None = None

            def run(intact: Part) -> torch.Tensor:
                nonlocal form
                lost = _selected(intact[source], cut.axis, columns)
                if cut.fill is not None:
                    lost = lost - self._means(source, units, lost)
                if form is None:
                    form = kernel.form_for(layer, lost, intact[base])
                out = form(lost, intact[base])
                # where little is left of a large value, the difference is mostly rounding
                weak = ~(largest(out) >= _LEFT * intact.largest(base))
                if bool(weak.any()):
                    rest = self._silenced(source, intact[source][weak], units)
                    out[weak] = whole(rest, None if added is None else intact[added][weak])
                return out

            return run

        reads = (source, base) if added is None else (source, base, added)
        return Step(fusion.last, reads, bind, takes_difference=True)

    # ---- silenced values -------------------------------------------------------------------------

    def _places(self, node: fx.Node, units: torch.Tensor) -> torch.Tensor:
        """Where units stand along their dimension of a value."""
        cut = self._cuts[node]
        each = self._shapes[node][cut.axis] // cut.n_units
        if each == 1:
            return units
        return (units[:, None] * each + torch.arange(each, device=units.device)).flatten()

    def _means(self, node: fx.Node, units: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """What silenced units become, to be laid over a value that holds them alone."""
        cut = self._cuts[node]
        if cut.fill is None:
            raise ValueError("these units become 0")
        each = self._shapes[node][cut.axis] // cut.n_units
        shape = [1] * like.ndim
        shape[cut.axis] = -1
        return cut.fill[units].to(like).repeat_interleave(each).reshape(shape)

    def _silenced(self, node: fx.Node, value: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        """A copy of a value with some units silenced."""
        cut, columns = self._cuts[node], self._places(node, units)
        if cut.fill is None:
            return value.index_fill(cut.axis, columns, 0.0)
        part = list(value.shape)
        part[cut.axis] = len(columns)
        return value.index_copy(cut.axis, columns, self._means(node, units, value).expand(part))


def _selected(value: torch.Tensor, axis: int, columns: torch.Tensor) -> torch.Tensor:
    """Some channels of a value, laid out in memory as it is."""
    if value.ndim == 4 and axis == 1 and value.is_contiguous(memory_format=torch.channels_last):
        return value.permute(0, 2, 3, 1).index_select(3, columns).permute(0, 3, 1, 2)
    return value.index_select(axis, columns)
