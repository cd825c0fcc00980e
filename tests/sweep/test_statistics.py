"""Statistics of arrays in odd forms: what plain loops give, or a refusal by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from modviz import statistics
from tests.sweep import oddities
from tests.sweep.judging import CLEAN, Odd, arguments, outcome, refusals, sweep

ARRAYS = oddities.numbers()
#: Shapes that do not fit, by what the argument is.
_FIT = r"controls (have shape|are empty)|observed \(.*and controls"
MISFITS = [
    Odd("a row more", lambda x: np.concatenate([x, x[:1], x[:1], np.zeros((1, x.shape[1]))]), _FIT),
    Odd("no column", lambda x: x[:, :0], _FIT),
    Odd("a number", lambda x: 0.5, _FIT),
    Odd("one more axis", lambda x: x[None], _FIT),
]
#: An effect of nothing is undefined, but no error.
EFFECT_MISFITS = [odd for odd in MISFITS if odd.name != "no column"]

TABLES: dict[str, dict[str, list[Odd]]] = {
    "permutation_p": {
        "observed": ARRAYS,
        "controls": ARRAYS + MISFITS,
        "tail": oddities.choice(),
        "ties": oddities.choice(),
    },
    "effect": {"observed": ARRAYS, "controls": ARRAYS + EFFECT_MISFITS},
    "joint_test": {
        "observed": ARRAYS,
        "controls": ARRAYS + MISFITS,
        "tail": oddities.choice(),
    },
    "class_range": {
        "changes": [
            *ARRAYS,
            Odd("no class", lambda x: x[:, :0], "changes have shape"),
            Odd("a number", lambda x: 0.5, "changes have shape"),
        ]
    },
    "paired_error": {
        "lost": [*ARRAYS, Odd("more than there are", lambda x: x + 99, "together more than")],
        "gained": [*ARRAYS, Odd("negative", lambda x: x - 99, "expected 0 or more")],
        "n_images": [*ARRAYS, Odd("none", lambda n: n * 0, "at least 1")],
    },
    "benjamini_hochberg": {
        "p": [*ARRAYS, Odd("above 1", lambda p: p + 1.5, "between 0 and 1|^p has")],
        "level": [
            Odd(str(v), lambda _, v=v: v, "level(=| is )")
            for v in (0, 1, -0.5, 2, math.nan, math.inf, "0.05", None, [0.05], np.array([0.1]), 1j)
        ]
        + [Odd("float32", np.float32)],
    },
    "fisher": {
        "p": [*ARRAYS, Odd("off the grid", lambda p: p * 0 + 0.123456, "p holds")],
        "n_controls": oddities.whole(1),
    },
    "rank_chi_square": {
        "p": [*ARRAYS, Odd("above 1", lambda p: p * 0 + 2, "p holds")],
        "n_controls": oddities.whole(1),
    },
    "bates": {
        "p_values": [*ARRAYS, Odd("negative", lambda p: p - 2, "between 0 and 1")],
    },
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, int, dict[str, Odd]]:
    name = draw(st.sampled_from(sorted(TABLES)))
    return name, draw(st.integers(0, 10**6)), draw(arguments(TABLES[name], clean=12))


def clean_values(name: str, seed: int) -> dict[str, Any]:
    """Arguments without oddities: multiples of 1/64, now and then NaN or infinite."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 6)), int(rng.choice([1, 3, 7, 15, 63]))
    x, null = (rng.integers(-64, 64, size) / 64 for size in ((m,), (m, n)))
    for values in (x, null):
        values[rng.random(values.shape) < 0.1] = np.nan
        values[rng.random(values.shape) < 0.02] = rng.choice([np.inf, -np.inf])
    tail, ties = str(rng.choice(["low", "high"])), str(rng.choice(["count", "strict"]))
    p = rng.integers(1, n + 2, m) / (n + 1)
    p[rng.random(m) < 0.1] = np.nan
    counts = rng.integers(0, 5, (2, m, 3)).astype(float)
    return {
        "permutation_p": {"observed": x, "controls": null, "tail": tail, "ties": ties},
        "effect": {"observed": x, "controls": null},
        "joint_test": {"observed": x, "controls": null, "tail": tail},
        "class_range": {"changes": null},
        "paired_error": {
            "lost": counts[0],
            "gained": counts[1],
            "n_images": rng.integers(8, 99, 3).astype(float),
        },
        "benjamini_hochberg": {"p": p, "level": 0.05},
        "fisher": {"p": p, "n_controls": n},
        "rank_chi_square": {"p": p, "n_controls": n},
        "bates": {"p_values": p},
    }[name]


def plain_p(x: float, null: list[float], tail: str, ties: str) -> float:
    """The p of one observation, in the words of its definition."""
    sign = 1 if tail == "low" else -1
    if ties == "strict":
        return (1 + sum(sign * c < sign * x for c in null)) / (1 + len(null))
    if math.isnan(x):
        return 1.0
    return (1 + sum(sign * c <= sign * x for c in null)) / (1 + len(null))


def require_right(name: str, clean: dict[str, Any], found: Any) -> None:
    """What must hold of a result, by another way than the library's."""
    if name == "permutation_p":
        rows = zip(clean["observed"], clean["controls"].tolist(), strict=True)
        expected = [plain_p(float(x), null, clean["tail"], clean["ties"]) for x, null in rows]
        np.testing.assert_allclose(found, expected)
    elif name == "effect":
        assert found.shape == clean["observed"].shape
        rows = [[c for c in row if math.isfinite(c)] for row in clean["controls"].tolist()]
        mean = np.array([np.mean(row or [np.nan]) for row in rows])
        x = clean["observed"]
        with np.errstate(all="ignore"):
            expected = np.where(np.isfinite(2 * x / (x + mean)), 2 * x / (x + mean), np.nan)
        np.testing.assert_allclose(found, expected)
    elif name == "benjamini_hochberg":
        tests = clean["p"][~np.isnan(clean["p"])]
        q = np.asarray(found)[~np.isnan(clean["p"])]
        expected = [min(p * len(tests) / (tests <= p).sum() for p in tests[tests >= own])
                    for own in tests]  # fmt: skip
        np.testing.assert_allclose(q, np.minimum(expected, 1))
        assert (np.asarray(found.rejected) == (np.asarray(found) <= 0.05)).all()
    elif name in ("class_range", "paired_error"):
        assert found.shape == (len(next(iter(clean.values()))),)
        assert not (found < 0).any()
    elif name == "joint_test":
        assert found.null.shape == (clean["controls"].shape[1],)
        # p is a share of the partitions, the real one among them
        share = found.p * (1 + found.null.size)
        assert abs(share - round(share)) < 1e-9 < share
    else:
        given = next(iter(clean.values()))
        assert found.n == (~np.isnan(given)).sum()
        assert 0 < found.p <= 1 if found.n else math.isnan(found.p)
    if name == "rank_chi_square" and found.n:
        n = clean["n_controls"]
        ranks = np.rint(given[~np.isnan(given)] * (n + 1))
        counts = [(ranks == r).sum() for r in range(1, n + 2)]
        expected = sum((c - found.n / (n + 1)) ** 2 for c in counts) * (n + 1) / found.n
        np.testing.assert_allclose(found.statistic, expected, atol=1e-9)


def same(found: Any, clean: Any) -> None:
    for one, other in zip(parts(found), parts(clean), strict=True):
        np.testing.assert_array_equal(one, other)


def parts(result: Any) -> list[np.ndarray]:
    values = [result] if isinstance(result, np.ndarray) else list(vars(result).values())
    return [np.asarray(value) for value in values]


def judge(case: tuple[str, int, dict[str, Odd]]) -> None:
    name, seed, drawn = case
    clean = clean_values(name, seed)
    if clean["level" if name == "benjamini_hochberg" else next(iter(clean))] is not None:
        drawn = {key: fitting(odd, clean[key]) for key, odd in drawn.items()}
    given = {key: odd.make(clean[key]) for key, odd in drawn.items()}
    function = getattr(statistics, name)
    found = outcome(lambda: function(**given), refusals(drawn))
    if found is not None:
        expected = function(**clean)
        require_right(name, clean, expected)
        if drawn.get("level", CLEAN).name != "float32":
            same(found, expected)


def fitting(odd: Odd, value: Any) -> Odd:
    """An oddity that says something about these values; where all are undefined many do not."""
    if odd.name in ("above 1", "negative", "off the grid") and isinstance(value, np.ndarray):
        return CLEAN if np.isnan(value).all() else odd
    return odd


def test_statistics():
    sweep("statistics", cases(), judge)
