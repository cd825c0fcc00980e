"""Numbers, names and colours as panels write them."""

from __future__ import annotations

import math

import pytest

from modviz.view import style


def test_numbers_have_true_minus_signs_and_no_negative_zero() -> None:
    assert style.number(-8.04) == "−8.0"
    assert style.number(-0.04) == "0.0"
    assert style.signed(-0.01) == "0.0"
    assert style.signed(1234.5) == "+1,234.5"
    assert style.percent(0.868) == "86.8 %"


def test_p_values_show_the_decimals_that_controls_can_give() -> None:
    assert style.p_text(0.05, 19) == "0.05"
    assert style.p_text(0.01, 99) == "0.01"
    assert style.p_text(1 / 31, 30) == "0.032"
    assert style.p_text(0.001, 999) == "0.001"
    assert style.p_text(math.nan, 19) == "–"
    assert style.q_text(0.0513) == "0.051"  # two decimals would look like a discovery


def test_twenty_four_clusters_have_different_colours() -> None:
    assert style.cluster_color(0).lower() == "#0072b2"
    assert len({style.cluster_color(c).lower() for c in range(24)}) == 24


@pytest.mark.parametrize("cluster", range(24))
def test_ink_and_hollow_marks_can_be_seen(cluster: int) -> None:
    def contrast(a: str, b: str) -> float:
        high, low = sorted((style.luminance(a), style.luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    color = style.cluster_color(cluster)
    assert contrast(style.ink_on(color), color) > 3.8
    assert contrast(style.edge_color(cluster), "#ffffff") > 2.2


def test_names_that_do_not_fit_keep_both_ends() -> None:
    assert style.fit("fc1", 60) == "fc1"
    short = style.fit("encoder.blocks.11.attention", 60)
    assert short.startswith("enc")
    assert short.endswith("on")
    assert style.text_width(short) <= 60
