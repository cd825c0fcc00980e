from __future__ import annotations

from dataclasses import replace

import numpy as np

from modviz.core.analysis import Analysis


def test_in_a_cell_results_are_a_line_and_not_their_arrays(small_analysis: Analysis) -> None:
    lesions, subclusters = small_analysis.lesions, small_analysis.subclusters
    assert lesions is not None
    n = len(subclusters)
    assert repr(lesions) == f"LesionResults({lesions.measured.sum()} of {n} subclusters measured)"
    nothing = replace(lesions, lesioned=np.full_like(lesions.lesioned, np.nan))
    assert repr(nothing) == f"LesionResults(0 of {n} subclusters measured)"
    first = subclusters[0]
    assert repr(first) == f"Subcluster({first.name}: {len(first.units)} units of {first.layer})"
