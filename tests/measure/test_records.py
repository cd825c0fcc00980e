"""What is recorded of counts and pictures: what may be added to, and what breaks nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from modviz.core.checkpoint import Folder
from modviz.measure.count_record import CountRecord, OtherImages
from modviz.measure.counts import Counts
from modviz.measure.digests import ImagesDigest
from modviz.measure.picture_record import PictureRecord

IMAGES, LABELS = torch.arange(12.0).reshape(4, 3), torch.arange(4) % 2


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "run", {})


def recorded(folder: Folder, *, finished: bool) -> None:
    """One batch that is at work, or finished."""
    record = CountRecord(folder, [], "zero", 2)
    record.batch_size = 4
    for number, _, _ in record.open_batches([(IMAGES, LABELS)]):
        record.running(number)
        if finished:
            record.finish(number, Counts.nothing(0, 2))
    record.write()


@pytest.mark.parametrize("finished", [False, True])
def test_a_batch_is_gone_on_with_only_in_its_order(folder: Folder, finished: bool) -> None:
    """Near ties are recorded by the place of their image, which another order gives to another."""
    recorded(folder, finished=finished)
    again = CountRecord(folder, [], "zero", 2)
    assert len([*again.open_batches([(IMAGES, LABELS)])]) == (not finished)
    with pytest.raises(OtherImages):
        list(again.open_batches([(IMAGES.flip(0), LABELS.flip(0))]))
    with pytest.raises(OtherImages):
        list(again.open_batches([(IMAGES, LABELS.flip(0))]))
    folder.close()


def test_the_digest_of_all_images_does_not_depend_on_their_order() -> None:
    whole, parts = ImagesDigest(), ImagesDigest()
    whole.add(IMAGES, LABELS)
    order = torch.tensor([3, 1, 0, 2])
    for some, of_them in zip(IMAGES[order].split(3), LABELS[order].split(3), strict=True):
        parts.add(some, of_them)
    assert parts == whole
    other = ImagesDigest()
    other.add(IMAGES, 1 - LABELS)
    assert other.text != whole.text


def test_pictures_are_found_beside_foreign_files(folder: Folder) -> None:
    """Programs that share folders leave copies behind."""

    def record() -> tuple[PictureRecord, np.ndarray]:
        score, entropy = np.full((2, 2), np.nan), np.full((2, 2), np.nan)
        return PictureRecord(folder, score, entropy, np.zeros((2, 2, 3, 3, 1), np.float32)), score

    first, score = record()
    score[1, 0] = 7
    first.add(np.array([[1, 0]]))
    first.write()
    made = folder.path / "pictures-of-00000.piece"
    (folder.path / "pictures-of-00000 (copy).piece").write_bytes(made.read_bytes())
    again, score = record()
    assert again.n_finished == 1
    assert score[1, 0] == 7
    folder.close()
