"""Tables of the lesson that hold for all subclusters at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lesson_checks import LEVEL, draws, hit_hard, p_value
from lesson_figures import place_of
from lesson_network import LessonNetwork
from numpy.typing import NDArray

from modviz import Analysis, statistics
from modviz.core.controls import draw_controls


def rule_of_thumb(analysis: Analysis) -> pd.DataFrame:
    """Predict by one rule: a lesion hurts the class that is most frequent among the ten images.

    Returns
    -------
    DataFrame
        A row per subcluster: ``predicted``, ``hit hard`` (classes that lose at least half of what
        the worst hit loses), ``right``, and ``by chance``: how often a class named at random would
        be among them.
    """
    rows = {}
    changes = analysis.class_changes()
    for place in np.flatnonzero(analysis.tested):
        name = analysis.subclusters[place].name
        predicted = _most_frequent(analysis.top_images.labels[place])
        hard = hit_hard(changes.loc[name])
        classes = [c for c, yes in zip(analysis.class_names, hard, strict=True) if yes]
        rows[name] = {
            "predicted": analysis.class_names[predicted],
            "hit hard": ", ".join(classes),
            "right": bool(hard[predicted]),
            "by chance": hard.mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def rule_for_random_groups(
    network: LessonNetwork, analysis: Analysis, n: int = 199
) -> NDArray[np.float64]:
    """How often the same rule is right for random groups: the share in each of `n` draws.

    A draw has a random group for every subcluster, of its layer and size: the very groups that the
    analysis compared it with, so what their lesions cost is known.

    Returns
    -------
    array, shape (n,)
    """
    lesions, partition = analysis.lesions, analysis.partition
    drawn = draw_controls(partition, n, analysis.settings["seed"])
    tested = np.flatnonzero(analysis.tested)
    right = np.zeros((n, len(tested)), dtype=bool)
    for column, place in enumerate(tested):
        subcluster = analysis.subclusters[place]
        changes = lesions.controls[place, :n] - lesions.intact
        for row, labels in enumerate(drawn[subcluster.layer]):
            units = np.flatnonzero(labels == subcluster.cluster)
            predicted = _most_frequent(network.top_classes(subcluster.layer, units))
            right[row, column] = hit_hard(changes[row])[predicted]
    return np.asarray(right.mean(axis=1))


def _most_frequent(labels: NDArray[np.int64]) -> int:
    return int(np.bincount(labels).argmax())


def comparisons(
    network: LessonNetwork, analysis: Analysis, name: str, *, n: int = 99
) -> pd.DataFrame:
    """One subcluster's p against random groups of every layer and of three sizes.

    Only one of these cells is a fair comparison: its own layer, its own size.
    """
    subcluster = analysis.subclusters[place_of(analysis, name)]
    own = len(subcluster.units)
    observed = network.change(subcluster.layer, subcluster.units)
    sizes = {f"{own // 2} units": own // 2, f"{own} units": own, f"{2 * own} units": 2 * own}
    table = {
        title: [
            p_value(
                observed,
                draws(network, layer, analysis.partition.live_units(layer), size, n, seed=0),
            )
            for layer in network.layers
        ]
        for title, size in sizes.items()
    }
    return pd.DataFrame(table, index=list(network.layers))


def partitions_of_nothing(analysis: Analysis) -> NDArray[np.float64]:
    """p-values of partitions that are random: no subcluster of theirs is anything.

    Draw number r holds a random group for every subcluster at once, so it is a partition too. Each
    is tested against all draws, just as the real one was.

    Returns
    -------
    array, shape (draws, subclusters tested)
    """
    lesions = analysis.lesions
    changes = (lesions.controls - lesions.intact).mean(axis=2).round(9)[analysis.tested]
    ranks = np.array([np.searchsorted(np.sort(row), row, side="right") for row in changes])
    return np.asarray((ranks / changes.shape[1]).T)


def with_fewer(analysis: Analysis, n_controls: int) -> pd.DataFrame:
    """The accuracy's p and q of every subcluster, had there been only the first controls."""
    change, controls = analysis.samples("accuracy")
    tested = analysis.tested
    p = statistics.permutation_p(change[tested], controls[tested][:, :n_controls], "low")
    q = statistics.benjamini_hochberg(p)
    names = [s.name for s, yes in zip(analysis.subclusters, tested, strict=True) if yes]
    return pd.DataFrame(
        {"change": change[tested], "p": p, "q": np.asarray(q), "declared": np.asarray(q) <= LEVEL},
        index=names,
    )


def pictures_and_lesions(network: LessonNetwork, analysis: Analysis) -> pd.DataFrame:
    """What the network sees in every optimised picture, and what the lesion then hurts.

    Returns
    -------
    DataFrame
        A row per subcluster: ``class of its picture`` and how ``sure`` the network is of it,
        0 .. 1; the class ``hurt most`` by its lesion; whether they ``agree``; and how
        ``sure of a random group's`` picture the network is.
    """
    rows = {}
    changes = analysis.class_changes()
    for place in np.flatnonzero(analysis.tested):
        name = analysis.subclusters[place].name
        own = network.certainty(np.asarray(analysis.features.images[place]))
        other = network.certainty(np.asarray(analysis.features.control_images[place]))
        seen, hurt = analysis.class_names[int(own.argmax())], str(changes.loc[name].idxmin())
        rows[name] = {
            "class of its picture": seen,
            "sure": own.max(),
            "hurt most": hurt,
            "agree": seen == hurt,
            "sure of a random group's": other.max(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
