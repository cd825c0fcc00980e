"""Whatever part of the results is there, tables and summaries are whole and agree with the card."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modviz.core.analysis import Analysis, FeatureResults, LesionResults, TopImages, size_rule
from modviz.core.graph import Layer, NeuronGraph
from modviz.core.partition import LayerCut, Partition
from modviz.core.sequential import rule_for
from modviz.view import evidence, summaries, tables
from modviz.view.facts import Facts
from tests.view.hand_made import Read

NAN = np.nan
NAME = st.text(st.sampled_from("aé<>&\"' ]"), min_size=1, max_size=6)


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    """Up to three layers and classes, any results in any state, undefined values among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    names = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    sizes = draw(st.lists(st.integers(1, 12), min_size=len(names), max_size=len(names)))
    layers = [
        Layer(name, "linear", size, number=i + 1)
        for i, (name, size) in enumerate(zip(names, sizes, strict=True))
    ]
    k = draw(st.integers(1, min(4, sum(sizes))))
    blocks = {
        (i, i + 1): rng.random((sizes[i], sizes[i + 1])) * draw(st.sampled_from([0.0, 1.0]))
        for i in range(len(sizes) - 1)
    }
    local = draw(st.booleans())
    cuts = tuple(LayerCut(k, draw(st.sampled_from([NAN, 0.5]))) for _ in layers) if local else ()
    partition = Partition(
        rng.integers(-1, k, sum(sizes)),
        k,
        NeuronGraph(layers, blocks, edges=draw(st.sampled_from(["weights", "activations"]))),
        "local" if local else "global",
        cuts,
    )
    classes = draw(st.lists(NAME, min_size=1, max_size=3))
    tested = size_rule(partition)
    parts: dict[str, Any] = {}
    for part, make in (("lesions", _lesions), ("features", _features), ("top_images", _tops)):
        if draw(st.booleans()):
            done = tested & (rng.random(len(tested)) < draw(st.sampled_from([0.0, 0.5, 1.0])))
            parts[part] = make(rng, done, len(classes))
    return Analysis(
        partition,
        tested,
        tuple(classes),
        status=draw(st.sampled_from(["running", "complete", "cancelled"])),
        settings={"features": draw(st.booleans()), "top_images": draw(st.booleans())},
        **parts,
    )


def _lesions(rng: np.random.Generator, done: np.ndarray, c: int) -> LesionResults:
    s, rule = len(done), rule_for(99) if rng.random() < 0.5 else None
    # few different numbers: ties, and lesions that change nothing, come up
    lesioned = rng.integers(5, 10, (s, c)) / 10
    controls = rng.integers(7, 10, (s, 19 if rule is None else 99, c)) / 10
    lesioned[~done], controls[~done] = NAN, NAN
    if rule is not None:
        controls[rng.random(s) < 0.5, rule.ends[0] :] = NAN
    error = np.where(done, 0.01, NAN) if rng.random() < 0.5 else None
    return LesionResults(np.full(c, 0.9), lesioned, controls, 100, error, rule)


def _features(rng: np.random.Generator, done: np.ndarray, _: int) -> FeatureResults:
    s = len(done)
    score = np.where(done, rng.integers(0, 4, s), NAN)
    entropy = np.where(done & (rng.random(s) < 0.8), rng.random(s), NAN)
    controls = np.where(done[:, None], rng.random((s, 9)) * 3, NAN)
    images = np.zeros((s, 2, 2, 1), np.float32)
    return FeatureResults(score, entropy, controls, controls, images, images)


def _tops(rng: np.random.Generator, done: np.ndarray, c: int) -> TopImages:
    s = len(done)
    labels = np.where(done[:, None], rng.integers(0, c, (s, 3)), -1)
    entropy = np.where(done, rng.random(s), NAN)
    drives = np.ones((s, 3))
    return TopImages(entropy, rng.random((s, 19)), drives, labels, labels, None, 50)


@given(analyses())
def test_whatever_is_there_comes_out_whole(analysis: Analysis) -> None:
    facts = Facts(analysis)
    for name in tables.__all__:
        html = getattr(tables, name)(facts)
        read = Read(html)
        assert "nan" not in read.text
        if "table" in read.tags:
            assert read.scopes == ["col"] * len(read.heads) + ["row"] * len(read.rows)
            assert set(read.spans) <= {len(read.heads)}
        else:
            assert read.text.endswith(".")
        for names in filter(None, read.select):
            assert set(names.split()) <= set(facts.names)
        said = getattr(summaries, name)(facts)
        assert Read(said).tags == set()
        assert said.endswith(".")
        assert "nan" not in Read(said).text  # no name has these letters


@given(analyses())
def test_summary_table_and_card_give_the_same_verdicts(analysis: Analysis) -> None:
    facts = Facts(analysis)
    verdicts = [evidence.verdict(facts, i).badge for i in range(len(facts.names))]
    said = summaries.lesions(facts)
    read = Read(tables.lesions(facts))
    if facts.measured.any():
        shown = dict(zip(read.of, (row[-1] for row in read.rows), strict=True))
        assert shown == dict(zip(facts.names, verdicts, strict=True))
        important, undecided = verdicts.count("Important"), verdicts.count("Undecided")
        declared = f"{important} {'is' if important == 1 else 'are'} declared important"
        assert (declared if important else "none is declared important") in said
        assert (f"{undecided} undecided, random groups too few" in said) == (undecided > 0)
    else:
        assert read.rows == []
