"""An analysis that is killed and gone on with ends as one that never was."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.resume.kills import CONTEXT, Tally, expected, one_run
from tests.resume.scenarios import work_until


def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    """`make kills` does 200 of them, in all scenarios."""
    whole, seconds = expected("mlp")
    tally, rng = Tally(), random.Random(0)
    while tally.kills < 4:
        folder = tmp_path / str(tally.runs)
        folder.mkdir()
        one_run("mlp", folder, whole, seconds, rng, tally)
    assert tally.same == tally.runs > 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scenario", ["activations"])
def test_a_kill_at_the_moment_of_recording_changes_nothing(
    scenario: str, when: str, tmp_path: Path
) -> None:
    """Processes end at the first file that they put in place, at the second, the fourth, ..."""
    whole, _ = expected(scenario)
    checkpoint, result = tmp_path / "checkpoint", tmp_path / "result"
    ends = []
    while not result.exists():
        nth = 2 ** (len(ends) // 2) + (when == "before")  # one at least comes into place
        process = CONTEXT.Process(
            target=work_until, args=(scenario, str(checkpoint), str(result), nth, when)
        )
        process.start()
        process.join()
        ends.append(process.exitcode)
        assert process.exitcode in (0, -signal.SIGKILL)
        assert len(ends) < 30
    assert len(ends) > 5
    assert ends[-1] == 0
    assert result.read_text() == whole
    assert not list(checkpoint.glob(".*.part"))
