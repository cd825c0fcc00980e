"""What ``03_lesson.ipynb`` uses: two analyses, a network to lesion, figures, checks of answers.

It needs modviz without torch. Each check says right, or not yet with a hint, or that the dots
still stand where an answer belongs; the truth comes from the analyses and the student's own draws.
"""

from __future__ import annotations

from pathlib import Path

from lesson_checks import (
    check_cheat,
    check_declared,
    check_false_alarms,
    check_needed,
    check_p,
    check_prediction,
    check_share,
    check_smallest,
    check_worst,
    p_value,
)
from lesson_figures import drivers, place_of, strip
from lesson_last import check_pictures, check_sentences, sentences, two_pictures
from lesson_network import LessonNetwork
from lesson_tables import (
    comparisons,
    partitions_of_nothing,
    pictures_and_lesions,
    rule_for_random_groups,
    rule_of_thumb,
    with_fewer,
)

import modviz

__all__ = [
    "LessonNetwork",
    "check_cheat",
    "check_declared",
    "check_false_alarms",
    "check_needed",
    "check_p",
    "check_pictures",
    "check_prediction",
    "check_sentences",
    "check_share",
    "check_smallest",
    "check_worst",
    "comparisons",
    "drivers",
    "open_bundles",
    "p_value",
    "partitions_of_nothing",
    "pictures_and_lesions",
    "place_of",
    "rule_for_random_groups",
    "rule_of_thumb",
    "sentences",
    "strip",
    "two_pictures",
    "with_fewer",
]

FOLDER = Path(__file__).resolve().parent / "bundles"


def open_bundles() -> tuple[modviz.Analysis, modviz.Analysis, LessonNetwork]:
    """The analyses of networks A and B, and network B itself."""
    return (
        modviz.load(FOLDER / "lesson-a.modviz"),
        modviz.load(FOLDER / "lesson-b.modviz"),
        LessonNetwork.open(FOLDER / "lesson-b-network.npz"),
    )
