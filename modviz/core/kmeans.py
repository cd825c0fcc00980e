"""K-means with many starts at once: the starts are columns of the same matrix products.

K-means on eigenvectors of a network is a search among many local optima: the best of few starts is
a worse cut. A start costs most in its last steps, and after a few steps it shows whether it will
be among the best. So all starts make a few steps, and only the best go on to their end.

After Lloyd, doi:10.1109/TIT.1982.1056489, and Arthur and Vassilvitskii, "k-means++" (SODA 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modviz.core.threads import one_blas_thread

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Starts for up to so many points, and for more. With them the mean normalised cut in
#: benchmarks/partition.py is that of the authors, who make 25 and 100 whole starts.
_FEW, _FEW_STARTS, _STARTS = 2000, 25, 50
#: Steps that all starts make, and how many of the starts make the rest of theirs.
_FIRST_STEPS, _KEPT = 6, 6
#: Steps at most. It ends when no centre moves by more than this share of the points' variance.
_MOST_STEPS, _STILL = 300, 1e-4
#: Distances that are held at once: more starts than fit into the cache take turns.
_AT_ONCE = 2**21


def kmeans(points: Floats, n_clusters: int, seed: int, n_starts: int | None = None) -> Ints:
    """Cluster of each point by k-means.

    Parameters
    ----------
    points : array, shape (n, m)
    n_clusters : int
        Fewer are found only if fewer points are different.
    seed : int
        Decides where k-means starts.
    n_starts : int, optional
        Starts of which the best is kept; by default 25, or 50 above 2,000 points: the normalised
        cut varies with the start.

    Returns
    -------
    array of int, shape (n,)
        0 .. n_clusters - 1, in no order.
    """
    mixed = (points * np.random.default_rng(0).uniform(1, 2, points.shape[1])).sum(axis=1)
    if np.unique(mixed).size <= n_clusters:  # equal points have equal sums
        distinct, which = np.unique(points, axis=0, return_inverse=True)
        if len(distinct) <= n_clusters:
            return np.asarray(which, dtype=np.int64).ravel()
    centred = points - points.mean(axis=0)
    search = _Search((centred / np.sqrt((centred**2).mean())).astype(np.float32), n_clusters)
    if n_starts is None:
        n_starts = _FEW_STARTS if len(points) <= _FEW else _STARTS
    with one_blas_thread():
        return search.best(np.random.default_rng(seed), n_starts)


class _Search:
    """Searches for centres among the same points, shape (n, m), scaled to a variance near 1.

    Centres of several starts have shape (starts, n_clusters, m).
    """

    def __init__(self, points: Singles, n_clusters: int) -> None:
        self._n_clusters = n_clusters
        self._columns = np.ascontiguousarray(points.T)
        self._points = np.column_stack([points, np.ones(len(points), dtype=np.float32)])
        self._squares = (points**2).sum(axis=1)
        self._still = _STILL * float(points.var(axis=0).mean())

    def best(self, rng: np.random.Generator, n_starts: int) -> Ints:
        size = max(1, _AT_ONCE // (self._n_clusters * len(self._points)))
        centres, loss = [], []
        for start in range(0, n_starts, size):
            some = self._spread(rng, min(size, n_starts - start))
            for _ in range(_FIRST_STEPS - 1):
                some, _, _, _ = self._step(some)
            some, _, inertia, _ = self._step(some)
            centres.append(some)
            loss.append(inertia)
        order = np.argsort(np.concatenate(loss), kind="stable")[:_KEPT]
        return self._to_the_end(np.concatenate(centres)[order])

    def _to_the_end(self, centres: Singles) -> Ints:
        """Labels of the start that ends with the least loss."""
        moving = np.ones(len(centres), dtype=np.bool_)
        for _ in range(_MOST_STEPS):
            before = centres[moving]
            centres[moving], _, _, _ = self._step(before)
            moved = ((centres[moving] - before) ** 2).sum(axis=(1, 2))
            moving[moving] = moved > self._still
            if not moving.any():
                break
        _, labels, inertia, _ = self._step(centres)
        return np.asarray(labels[np.argmin(inertia)], dtype=np.int64)

    def _step(self, centres: Singles) -> tuple[Singles, NDArray[np.int16], Floats, Singles]:
        """Centres of the points nearest to each of `centres`, who they are, and the loss.

        Returns
        -------
        centres : array, shape (starts, n_clusters, m)
        labels : array of int, shape (starts, n)
            Nearest of the centres that came in.
        inertia : array, shape (starts,)
            Sum of squared distances to it: lower = better.
        nearness : array, shape (starts, n)
            What labels maximise: product with the centre minus half its square.
        """
        n_starts, k, m = centres.shape
        by_cluster = np.ascontiguousarray(centres.transpose(1, 0, 2)).reshape(-1, m)
        score = by_cluster @ self._columns
        score -= (by_cluster**2).sum(axis=1)[:, None] / 2
        score = score.reshape(k, n_starts, -1)
        near = score.max(axis=0)
        labels = np.zeros(near.shape, dtype=np.int16)
        for cluster in range(k - 1, -1, -1):  # of equally near ones the first
            np.copyto(labels, np.int16(cluster), where=score[cluster] == near)
        numbers = np.arange(k, dtype=np.int16)[:, None, None]
        np.equal(labels, numbers, out=score, casting="unsafe")
        sums = (score.reshape(k * n_starts, -1) @ self._points).reshape(k, n_starts, m + 1)
        counts = sums[:, :, -1:]
        new = (sums[:, :, :-1] / np.maximum(counts, 1)).transpose(1, 0, 2)
        inertia = self._squares.sum(dtype=np.float64) - 2 * near.sum(axis=1, dtype=np.float64)
        for start, cluster in np.argwhere(counts[:, :, 0].T == 0):
            # an empty cluster takes the point that is farthest from its centre
            far = np.argmax(self._squares - 2 * near[start])
            new[start, cluster] = self._columns[:, far]
            near[start, far] = np.inf
        return new, labels, inertia, near

    def _spread(self, rng: np.random.Generator, n_starts: int) -> Singles:
        """First centres: points drawn with chances that grow with the squared distance to others.

        Of several draws the one that leaves the least loss is taken, as in scikit-learn.
        """
        points, n = self._points[:, :-1], len(self._points)
        tries = 2 + int(np.log(self._n_clusters))
        chosen = rng.integers(n, size=(n_starts, 1))
        loss = self._distances(chosen)[:, 0]
        starts = np.arange(n_starts)
        for _ in range(self._n_clusters - 1):
            reach = np.cumsum(loss, axis=None, dtype=np.float64)
            ends = reach[n - 1 :: n]
            begins = np.concatenate([[0], ends[:-1]])
            aims = begins[:, None] + rng.random((n_starts, tries)) * (ends - begins)[:, None]
            drawn = np.searchsorted(reach, aims, side="right") - n * starts[:, None]
            drawn = np.clip(drawn, 0, n - 1)
            left = np.minimum(self._distances(drawn), loss[:, None])
            best = left.sum(axis=2).argmin(axis=1)
            loss = left[starts, best]
            chosen = np.column_stack([chosen, drawn[starts, best]])
        return points[chosen]

    def _distances(self, chosen: Ints) -> Singles:
        """Squared distances of all points to some, shape (*shape of chosen, n)."""
        centres = self._points[chosen.ravel(), :-1]
        product = (-2 * centres) @ self._columns
        product += self._squares
        product += self._squares[chosen.ravel()][:, None]
        return np.maximum(product, 0, out=product).reshape(*chosen.shape, -1)
