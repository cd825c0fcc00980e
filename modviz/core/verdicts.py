"""What the lesions allow to say about each subcluster's importance, in a word."""

from __future__ import annotations

from typing import Literal

import numpy as np

from modviz.core.analysis import Analysis
from modviz.core.choice import LEVEL

Verdict = Literal["important", "no evidence", "undecided", "not tested", "not measured"]


def verdicts(analysis: Analysis) -> list[Verdict]:
    """The verdict on every subcluster's importance, in the order of `Analysis.table`.

    ``"important"``: q of its accuracy change is at most 0.05. ``"undecided"``: its controls are too
    few to decide, because it is worse than all of them and still not declared, or because an
    adaptive analysis ended before it was clear. ``"not tested"``: the size rule leaves it out.
    """
    q = analysis.table()["accuracy_q"].to_numpy(dtype=float)
    measured, waiting = analysis.measured("accuracy"), analysis.undecided("accuracy")
    as_extreme, _ = analysis.counts("accuracy")
    found: list[Verdict] = []
    for i in range(len(q)):
        if not np.asarray(analysis.tested)[i]:
            found.append("not tested")
        elif not measured[i]:
            found.append("not measured")
        elif q[i] <= LEVEL:
            found.append("important")
        else:
            found.append("undecided" if waiting[i] or as_extreme[i] == 0 else "no evidence")
    return found
