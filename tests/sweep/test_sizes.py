"""The sweeps together are as large as was promised; each makes sure that its cases really ran."""

from __future__ import annotations

from pathlib import Path

from tests.sweep.judging import SIZES

PROMISED = 5000


def test_the_sweeps_are_as_large_as_promised():
    assert sum(SIZES.values()) >= PROMISED
    ours = "".join(
        file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*")
    )
    for name in SIZES:
        assert ours.count(f'sweep("{name}", ') == 1, f"the sweep {name!r} must run once"
