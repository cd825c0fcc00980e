"""What each operation of a network does to the owners of values.

An operation is a rule from the signals it reads to the signal it gives. The tables here give the
rule of every operation that modviz can follow; teaching it another is a rule, in
`modviz.measure.moving` or `modviz.measure.mixing`, and an entry.
"""

from __future__ import annotations

from torch import nn

from modviz.measure import ops
from modviz.measure.calls import Rule
from modviz.measure.mixing import addcmul, merge, product, scaling
from modviz.measure.moving import activation, elementwise, gate, move, pad, pool, reduction

MODULE_RULES: dict[tuple[type[nn.Module], ...], Rule] = {
    ops.ACTIVATIONS: activation,
    ops.GATES: gate,
    ops.PASSES: elementwise,
    ops.MOVES: move,
    ops.POOLS: pool,
    ops.SCALINGS: scaling,
}

#: Functions (torch.*, nn.functional.*) and tensor methods, by name.
FUNCTION_RULES: dict[str, Rule] = {
    **dict.fromkeys(ops.ACTIVATION_FUNCTIONS, activation),
    **dict.fromkeys(ops.GATE_FUNCTIONS, gate),
    **dict.fromkeys(ops.PASS_FUNCTIONS, elementwise),
    **dict.fromkeys(ops.POOL_FUNCTIONS, pool),
    **dict.fromkeys(ops.REDUCTIONS, reduction),
    **dict.fromkeys(ops.MOVE_FUNCTIONS, move),
    **dict.fromkeys(("add", "sub", "rsub"), merge),
    **dict.fromkeys(("mul", "truediv", "div"), product),
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    "addcmul": addcmul,
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), scaling),
}
