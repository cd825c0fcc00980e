"""What stages find of earlier work: of the run before in this process, or in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from modviz.core.partition import Partition
from modviz.core.progress import Stage
from modviz.core.settings import Settings
from modviz.measure.checkpoint import Checkpoint
from modviz.measure.data import LabelledData
from modviz.measure.identity import Digests
from modviz.measure.kept import Kept, lesions_key
from modviz.measure.lesion import Measured, cut_to
from modviz.measure.lesion_stage import LesionStage
from modviz.measure.network import Network
from modviz.measure.reporter import Reporter

#: Words for a stage whose results are taken over.
KEPT, RECORDED = "kept from the run before", "taken from the checkpoint"

Results = TypeVar("Results")


class Earlier:
    """Results of earlier runs, and where those of this one are left for later ones.

    Parameters
    ----------
    kept : Kept
    reporter : Reporter
        Told where results come from.

    Attributes
    ----------
    checkpoint : Checkpoint
        One that records nothing, until it is set.
    """

    def __init__(self, kept: Kept, reporter: Reporter) -> None:
        self.kept, self.reporter = kept, reporter
        self.checkpoint = Checkpoint()

    def digests(self, network: Network, data: LabelledData) -> Digests:
        """Of model and data."""
        known: Digests | None = self.kept.get("digests", ())
        if known is None:
            known = Digests.of(network, data)
            self.kept.put("digests", (), known)
        return known

    def find(self, stage: Stage, words: str, kind: type[Results], key: Any) -> Results | None:
        """What a stage gave, which is told in `words`; None if it has to be done."""
        kept: Results | None = self.kept.get(stage, key)
        found = self.checkpoint.results(stage, kind) if kept is None else kept
        if found is not None:
            self.leave(stage, key, found)
            self.reporter.start(stage, f"{words}: {RECORDED if kept is None else KEPT}")
        return found

    def leave(self, stage: Stage, key: Any, results: Any) -> None:
        """What a stage gave, for later runs."""
        self.kept.put(stage, key, results)
        self.checkpoint.keep_results(stage, results)

    # ---- lesions: controls can be added to them --------------------------------------------------

    def lesions(
        self, stage: LesionStage, show: Callable[[Measured], None]
    ) -> tuple[Measured, str | None] | None:
        """Lesions with the digest of their images; None if all has to be done.

        Where the run before left fewer controls, those that all have are shown until the others are
        there.
        """
        digest: str | None = self.kept.get("images digest", ())
        before = self.kept.lesions(stage.partition, stage.settings)
        if before is None:
            recorded = self.checkpoint.lesions()
            if recorded is not None:
                self.reporter.start("lesions", f"lesions: {RECORDED}")
                show(recorded[0])
            return recorded
        cut = before
        if stage.settings.controls == "fixed":
            cut = cut_to(before[0], stage.settings.n_controls), before[1]
        missing = 0 if stage.settings.controls == "adaptive" else stage.lacking(before)
        if not missing:
            self.reporter.start("lesions", f"lesions: {KEPT}")
            show(cut)
            return cut, digest
        text = f"lesions: {missing:,} more on {stage.images} images; the others are {KEPT}"
        self.reporter.start("lesions", text)
        show(cut)
        more = stage.more(before, lambda done, total: self.reporter.advance(done, total or 0))
        return None if more is None else (more, digest)

    def leave_lesions(
        self, partition: Partition, settings: Settings, measured: Measured, digest: str | None
    ) -> None:
        """Lesions that are all there, and the digest of their images, for later runs."""
        self.kept.put("lesions", lesions_key(partition, settings), measured)
        self.kept.put("images digest", (), digest)
        self.checkpoint.keep_lesions(measured, digest)
