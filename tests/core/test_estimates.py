"""What an estimate says, and what it refuses."""

from __future__ import annotations

import math
import re

import pytest

from modviz.core.estimates import STAGES, Estimate, rough_memory, rough_time


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "less than a second"),
        (0.94, "less than a second"),
        (0.96, "about 1 s"),
        (1.4, "about 1 s"),
        (9.4, "about 9 s"),
        (9.6, "about 10 s"),
        (23.4, "about 25 s"),
        (57.0, "about 55 s"),
        (58.0, "about 1 min"),
        (100.0, "about 2 min"),
        (12.6 * 60, "about 15 min"),
        (59 * 60, "about 1 h"),
        (3.2 * 3600, "about 3 h"),
        (47 * 3600, "about 45 h"),
        (48 * 3600, "about 2 days"),
        (7349 * 86400, "about 7,300 days"),
        (math.nan, "time unknown"),
        (math.inf, "longer than can be told"),
    ],
)
def test_times_have_one_or_two_figures(seconds: float, words: str) -> None:
    assert rough_time(seconds) == words


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (0, "less than 0.1 GB"),
        (49e6, "less than 0.1 GB"),
        (60e6, "0.1 GB"),
        (430e6, "0.4 GB"),
        (2.34e9, "2.3 GB"),
        (9.97e9, "10 GB"),
        (23.4e9, "23 GB"),
        (1234e9, "1,200 GB"),
    ],
)
def test_memory_has_one_or_two_figures(n_bytes: float, words: str) -> None:
    assert rough_memory(n_bytes) == words


def test_words_never_go_down_while_times_go_up() -> None:
    size = {"s": 1, "min": 60, "h": 3600, "days": 86400}
    said = []
    for k in range(4000):
        words = rough_time(1.0 * 1.004**k)
        number, unit = re.fullmatch(r"about ([\d,]+) (\w+)", words).groups()  # type: ignore[union-attr]
        said.append(float(number.replace(",", "")) * size[unit])
        assert said[-1] == pytest.approx(1.004**k, rel=0.5)
    assert said == sorted(said)


def test_an_estimate_in_words() -> None:
    estimate = Estimate.of_stages({"features": 5.0, "lesions": 20.0}, 400_000_000)
    assert estimate.seconds == 25
    assert str(estimate) == "about 25 s, 0.4 GB"
    assert list(estimate.stages) == ["lesions", "features"]  # in the order in which they come


def test_its_stages_cannot_be_changed() -> None:
    stages = {"lesions": 1.0}
    estimate = Estimate.of_stages(stages, 0)
    stages["lesions"] = 2.0
    assert estimate.stages["lesions"] == 1
    with pytest.raises(TypeError):
        estimate.stages["lesions"] = 3.0  # type: ignore[index]


def test_what_is_unknown_stays_unknown() -> None:
    estimate = Estimate.of_stages({"graph": 1.0, "lesions": math.nan}, 0)
    assert math.isnan(estimate.seconds)
    assert str(estimate) == "time unknown, less than 0.1 GB"


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="no stage 'lesion'"):
        Estimate(1.0, 0, {"lesion": 1.0})
    with pytest.raises(ValueError, match="at least 0"):
        Estimate(-1.0, 0)
    with pytest.raises(ValueError, match="at least 0"):
        Estimate(1.0, -1)
    with pytest.raises(ValueError, match="at least 0"):
        Estimate(1.0, 0, {"lesions": -1.0})


def test_the_stages_are_those_of_an_analysis() -> None:
    assert STAGES == ("reading", "graph", "partition", "lesions", "images", "features", "support")
