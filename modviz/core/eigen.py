"""Leading eigenvectors of a large symmetric matrix: found in single precision, checked in double.

Single precision halves the memory that every product has to read, and reading is what takes the
time. It is good enough if a check in double precision says so; else all is done again in double.
After Lehoucq, Sorensen and Yang, "ARPACK Users' Guide", doi:10.1137/1.9780898719628.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

Floats = NDArray[np.float64]
Values = NDArray[np.floating[Any]]
Product = Callable[[Values], Values]

#: Largest residual ||A v - lambda v|| that passes: eigenvalues are then at most so far off. It must
#: also be below a part of the gap to the next eigenvalue, which bounds how far the space may turn.
_RESIDUAL, _OF_THE_GAP = 1e-5, 0.1
#: Relative tolerance of the solver and how often it may restart, by precision.
_TOLERANCE = {"f": 1e-5, "d": 1e-8}
_RESTARTS = {"f": 40, "d": 10_000}
#: Tolerance of the search for overlooked eigenvalues, which only has to show that there are any.
_LOOSE = 1e-2


def leading(single: Product, double: Product, n: int, k: int) -> tuple[Floats, Floats]:
    """The k largest eigenvalues, descending, and their eigenvectors.

    Parameters
    ----------
    single, double : callable
        Product of a symmetric matrix A, eigenvalues -1 .. 1, with a vector of shape (n,), in the
        one and the other precision. `double` also takes shape (n, m).
    n : int
        Size of the matrix, at least 4 k.
    k : int

    Returns
    -------
    values : array, shape (k,)
    vectors : array, shape (n, k)
        Orthonormal.

    Raises
    ------
    ArpackNoConvergence
        If the solver does not converge in double precision either.
    """
    try:
        vectors, following = _search(single, n, k, "f")
        values, vectors, residual = _refined(double, vectors)
        if residual <= min(_RESIDUAL, _OF_THE_GAP * (values[-1] - following)):
            return values, vectors
    except ArpackNoConvergence:
        pass
    vectors, _ = _search(double, n, k, "d")
    values, vectors, _ = _refined(double, vectors)
    return values, vectors


def _search(product: Product, n: int, k: int, precision: str) -> tuple[Values, float]:
    """The k leading eigenvectors, and about the eigenvalue that follows.

    A solver that starts from one vector can overlook copies of an eigenvalue: in exact arithmetic
    it would see only one of them. So we look again beside all that is found until nothing larger
    is left; there a residual would show nothing.
    """
    rng = np.random.default_rng(0)
    values, vectors = _solve(product, n, k, precision, rng)

    def beside(x: Values) -> Values:
        """The product with what is found moved to eigenvalue -1."""
        x = x.reshape(n)
        return np.asarray(product(x) - vectors @ ((values + 1) * (vectors.T @ x)))

    while True:
        next_values, _ = _solve(beside, n, 1, precision, rng, _LOOSE)
        if next_values[0] <= values[k - 1] + _RESIDUAL or values.size + k > n // 2:
            return vectors[:, :k], float(next_values[0])
        more_values, more_vectors = _solve(beside, n, k, precision, rng)
        values = np.concatenate([values, more_values])
        order = np.argsort(-values, kind="stable")
        values, vectors = values[order], np.hstack([vectors, more_vectors])[:, order]


def _solve(
    product: Product,
    n: int,
    k: int,
    precision: str,
    rng: np.random.Generator,
    tolerance: float | None = None,
) -> tuple[Values, Values]:
    # each time another start: beside what the first one found, it has no part in the copies
    start = rng.uniform(-1, 1, n).astype(precision)
    values, vectors = eigsh(
        LinearOperator((n, n), matvec=product, dtype=np.dtype(precision)),
        k=k,
        which="LA",
        v0=start,
        tol=_TOLERANCE[precision] if tolerance is None else tolerance,
        ncv=min(n, max(4 * k, 20)),
        maxiter=_RESTARTS[precision],
    )
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]


def _refined(product: Product, vectors: Values) -> tuple[Floats, Floats, float]:
    """Best eigenpairs within the space of some vectors, and the largest residual of them."""
    basis, _ = np.linalg.qr(vectors.astype(np.float64))
    image = product(basis)
    small = basis.T @ image
    values, turn = np.linalg.eigh((small + small.T) / 2)
    values, turn = values[::-1], turn[:, ::-1]
    vectors = basis @ turn
    residual = np.linalg.norm(image @ turn - vectors * values, axis=0).max()
    return values, np.asarray(vectors), float(residual)
