"""interactions(): silence pairs of subclusters, to see which are redundant or need each other."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from modviz.core.analysis import size_rule
from modviz.core.interactions import Interactions
from modviz.core.partition import Partition
from modviz.core.progress import ProgressCallback
from modviz.core.settings import Settings, refuse_unknown
from modviz.measure.by_hand import Pairs
from modviz.measure.guard import evaluating
from modviz.measure.inputs import check_kinds, fitting, module_of, read_inputs
from modviz.measure.network import Network
from modviz.measure.pairs import PairRun
from modviz.measure.reporter import Reporter
from modviz.measure.trace import Head

_INTEGERS = (int, np.integer)


def interactions(
    model: nn.Module | Network,
    data: Any,
    partition: Partition,
    *,
    subclusters: Sequence[str | tuple[str, int]] | None = None,
    lesion: str = "zero",
    n_controls: int = 19,
    seed: int = 0,
    workers: int | None = None,
    progress: bool | ProgressCallback = True,
    cancel: threading.Event | None = None,
    head: Head = None,
    connections: Pairs | None = None,
    **unknown: Any,
) -> Interactions:
    """Silence every pair of subclusters, to see which are redundant and which need each other.

    Besides the pairs, the same number of pairs of random groups of the same sizes and layers is
    silenced for each of `n_controls` draws: S subclusters are S (S + 1) / 2 * (1 + n_controls)
    lesions. The model is run in eval mode and left exactly as it was.

    Parameters
    ----------
    model : torch.nn.Module or modviz.Network
        A classifier: one tensor in, class scores (images, classes) out.
    data : (images, labels), torch Dataset or DataLoader
        As in `modviz.analyze`.
    partition : Partition
        Of this model's graph, for example ``analysis.partition``.
    subclusters : sequence of names ("B2") or of (layer, cluster), optional
        Pair only these; by default all from 3 units to 99 % of their layer's live units.
    lesion : {"zero", "mean", "weights"}
        As in `modviz.analyze`.
    n_controls : int
        Draws of random groups: the smallest p is 1 / (n_controls + 1). With many pairs 19 seldom
        suffice to declare a single one; `Interactions.joint_p` needs no more.
    seed : int
        Decides controls and the order of images.
    workers : int, optional
        Threads; by default one a processor. The result does not depend on it.
    progress : bool or callable
        True: a progress bar. A callable gets a `modviz.Progress` a few times a second.
    cancel : threading.Event, optional
        When set, the measurement stops and returns what it has, with ``status == "cancelled"``. An
        interrupt from the keyboard does the same, with a warning.
    head, connections : optional
        As in `modviz.analyze`.

    Returns
    -------
    Interactions

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, a subcluster is unknown or too small, or there are
        fewer than two of them.
    NetworkError
        If modviz can't follow the model; the message names the module and the operation.

    Notes
    -----
    A double lesion silences both groups at the values that single lesions silence. If one lies on
    the way to the other, the second is silenced in what the first lesion gave. With ``"mean"`` the
    means are those of the intact network. See `Interactions` for what the numbers mean.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> graph = modviz.weight_graph(planted.model, planted.data.images)
    >>> partition = modviz.spectral_partition(graph, n_clusters=2)
    >>> pairs = modviz.interactions(planted.model, planted.data, partition, progress=False)
    >>> pairs.table().index.tolist()
    ['A1 + B1', 'A1 + A2', 'A1 + B2', 'B1 + A2', 'B1 + B2', 'A2 + B2']
    """
    known = [name for name in inspect.signature(interactions).parameters if name != "unknown"]
    refuse_unknown("interactions", unknown, known[3:])
    settings = Settings(lesion=lesion, n_controls=n_controls, seed=seed)
    check_kinds(cancel=cancel, progress=progress, workers=workers)
    whole = module_of(model)
    with torch.inference_mode(False), evaluating(whole), Reporter(progress) as reporter:
        reporter.start("reading", "reading the model")
        network, labelled = read_inputs(model, data, head, connections)
        partition = fitting(partition, network)
        members = _members(partition, subclusters)
        run = PairRun(
            network,
            labelled,
            partition,
            members,
            settings,
            reporter,
            cancel if cancel is not None else threading.Event(),
        )
        status = run.measure(workers or torch.get_num_threads())
        kept = {"subclusters": None if subclusters is None else list(subclusters)}
        kept |= {name: getattr(settings, name) for name in ("lesion", "n_controls", "seed")}
        result = run.result(status, kept)
        reporter.start("finished", "finished")
    return result


def _members(
    partition: Partition, wanted: Sequence[str | tuple[str, int]] | None
) -> NDArray[np.int64]:
    """Places of the subclusters to pair in ``partition.subclusters``, ascending."""
    tested = size_rule(partition)
    chosen = np.flatnonzero(tested)
    if wanted is not None:
        if isinstance(wanted, str) or not isinstance(wanted, Sequence):
            raise TypeError(
                f"subclusters={wanted!r}; expected a list of names such as ['A1', 'B2'], or of "
                "pairs (layer, cluster)"
            )
        places: dict[Any, int] = {}
        for k, s in enumerate(partition.subclusters):
            places[s.name] = places[s.layer, s.cluster] = k
        keys = [key if isinstance(key, str) else _key(key) for key in wanted]
        for key in keys:
            if key not in places:
                there = ", ".join(partition.subclusters[k].name for k in chosen)
                raise ValueError(
                    f"there is no subcluster {key!r}; those that can be paired: {there}"
                )
            if not tested[places[key]]:
                units = len(partition.subclusters[places[key]].units)
                raise ValueError(
                    f"subcluster {key!r} has {units} units; expected at least 3 and at most 99 % "
                    "of the layer's live units: leave it out"
                )
        chosen = np.array([places[key] for key in keys], dtype=np.int64)
        if len(set(chosen.tolist())) < len(chosen):
            raise ValueError(f"subclusters={wanted!r} names one twice; give each once")
        chosen = np.sort(chosen)
    if len(chosen) < 2:
        raise ValueError(
            f"{len(chosen)} subcluster(s) to pair; expected at least two: choose fewer clusters or "
            "larger layers, so that more subclusters have 3 units or more"
        )
    return np.asarray(chosen, dtype=np.int64)


def _key(key: object) -> tuple[str, int]:
    pair = tuple(key) if isinstance(key, (tuple, list)) else ()
    if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], _INTEGERS):
        raise TypeError(f"subcluster {key!r}; expected a name such as 'B2' or (layer, cluster)")
    return pair[0], int(pair[1])
