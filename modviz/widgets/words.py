"""Words for how work ended."""

from __future__ import annotations

from modviz.core.analysis import Analysis


def extent(analysis: Analysis) -> str:
    """How much was measured, in words."""
    total = int(analysis.tested.sum())
    measured = int(analysis.measured("accuracy").sum())
    images = "" if analysis.lesions is None else f" on {analysis.lesions.n_images:,} images"
    return f"{measured} of {total} subclusters{images}"


def finished(analysis: Analysis) -> str:
    """What a cancelled run has finished, in words."""
    total = int(analysis.tested.sum())
    words = ["the partition"]
    for statistic, name in (("accuracy", "the lesions"), ("score", "the feature images")):
        done = int(analysis.measured(statistic).sum())
        if done:
            words.append(f"{name} of {done} of {total} subclusters")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 1:
        return "less than 1 s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
