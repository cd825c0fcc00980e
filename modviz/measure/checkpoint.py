"""The checkpoint of an analysis: every stage that is finished, and the ones under way.

`modviz.analyze` asks it before each stage and tells it after; without a folder it knows nothing and
keeps nothing. How stages under way are recorded stands in `count_record` and `picture_record`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from modviz.core.archive import Archive
from modviz.core.checkpoint import Folder
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import LayerCut, Partition
from modviz.core.pieces import joined, parted
from modviz.core.results import LesionResults
from modviz.measure.identity import refuse_others
from modviz.measure.lesion import Measured

Built = TypeVar("Built")

#: What rebuilding a piece may raise that something else has written.
_FOREIGN = (KeyError, IndexError, TypeError, ValueError)

#: Beginnings of the names of pieces that a finished stage makes superfluous.
_ON_THE_WAY = {"lesions": "counts-", "features": "pictures-"}


class Checkpoint:
    """What is recorded of one analysis.

    Parameters
    ----------
    folder : Folder or None
        None = nothing is recorded.
    """

    def __init__(self, folder: Folder | None = None) -> None:
        self.folder = folder

    @classmethod
    def opened(cls, path: str | os.PathLike[str], identity: Mapping[str, Any]) -> Checkpoint:
        """The checkpoint at `path`, new or to go on from.

        Raises
        ------
        CheckpointError
            If it is of another analysis, in use, or none; the message says what differs.
        """
        plain = json.loads(json.dumps(identity))
        folder = Folder(path, plain)
        with ExitStack() as failed:
            failed.callback(folder.close)
            other = [] if folder.before is None else refuse_others(path, folder.before, plain)
            if other:
                folder.say(
                    f"the checkpoint {str(path)!r} was begun with other versions "
                    f"({', '.join(other)}); it goes on, but the last digits of what is still to be "
                    "done may differ from those of a run of one piece"
                )
            failed.pop_all()
        return cls(folder)

    def close(self) -> None:
        """Let others go on from it."""
        if self.folder is not None:
            self.folder.close()

    def _read(self, name: str, build: Callable[[Archive], Built]) -> Built | None:
        """What is built of a piece; None if it is not there, or is not what it should be."""
        stored = None if self.folder is None else self.folder.read(name)
        if self.folder is None or stored is None:
            return None
        try:
            return build(stored)
        except _FOREIGN:
            self.folder.drop(name)
            return None

    def _write(
        self, name: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> None:
        """A finished piece, unless it is there already; what led to it is no longer needed."""
        if self.folder is None or name in self.folder.sound:
            return
        if self.folder.write(name, header, arrays) and name in _ON_THE_WAY:
            for other in self.folder.names():
                if other.startswith(_ON_THE_WAY[name]):
                    self.folder.drop(other)

    # ---- graph and partition ---------------------------------------------------------------------

    def graph(self, edges: str) -> NeuronGraph | None:
        """The graph with these edges."""

        def build(stored: Archive) -> NeuronGraph:
            layers = [Layer(**layer) for layer in stored.header["layers"]]
            keys = [(i, j) for i, j in stored.header["blocks"]]
            blocks = {(i, j): np.array(stored.arrays[f"{i}-{j}"]) for i, j in keys}
            return NeuronGraph(layers, blocks, edges=edges)

        return self._read(f"graph-{edges}", build)

    def keep_graph(self, graph: NeuronGraph) -> None:
        """Record a graph."""
        header = {
            "layers": [asdict(layer) for layer in graph.layers],
            "blocks": [list(key) for key in graph.blocks],
        }
        arrays = {f"{i}-{j}": block for (i, j), block in graph.blocks.items()}
        self._write(f"graph-{graph.edges}", header, arrays)

    def partition(self, graph: NeuronGraph) -> Partition | None:
        """The partition of this graph."""

        def build(stored: Archive) -> Partition:
            cuts = zip(stored.header["cuts"], stored.arrays["ncut"].tolist(), strict=True)
            return Partition(
                np.array(stored.arrays["labels"]),
                stored.header["n_clusters"],
                graph,
                stored.header["scope"],
                tuple(LayerCut(n, ncut) for n, ncut in cuts),
            )

        return self._read("partition", build)

    def keep_partition(self, partition: Partition) -> None:
        """Record a partition; its graph is recorded apart, or made again."""
        header = {
            "n_clusters": partition.n_clusters,
            "scope": partition.scope,
            "cuts": [cut.n_clusters for cut in partition.cuts],
        }
        ncut = np.array([cut.ncut for cut in partition.cuts], dtype=np.float64)
        self._write("partition", header, {"labels": partition.labels, "ncut": ncut})

    # ---- measurements ----------------------------------------------------------------------------

    def results(self, stage: str, kind: type[Built]) -> Built | None:
        """What a finished stage gave."""
        return self._read(
            stage, lambda stored: joined(kind, stored.header["results"], stored.arrays)
        )

    def keep_results(self, stage: str, results: Any) -> None:
        """Record what a finished stage gave."""
        header, arrays = parted(results)
        self._write(stage, {"results": header}, arrays)

    def lesions(self) -> tuple[Measured, str | None] | None:
        """Lesions that are all there, and the digest of the images."""

        def build(stored: Archive) -> tuple[Measured, str | None]:
            results = joined(LesionResults, stored.header["results"], stored.arrays)
            present = np.array(stored.arrays["present"], dtype=bool)
            return (results, present), stored.header["images"]

        return self._read("lesions", build)

    def keep_lesions(self, measured: Measured, images: str | None) -> None:
        """Record lesions that are all there, and the digest of the images."""
        header, arrays = parted(measured[0])
        self._write(
            "lesions", {"results": header, "images": images}, arrays | {"present": measured[1]}
        )
