"""p-values where some subclusters were given more random controls than others, afterwards.

An analysis with a fixed number of controls can end in "worse than all 19, but 19 are too few". So
more can be drawn for that subcluster alone, and again if none of those surpasses it either. Its p
is then (1 + b) / (1 + n) with all n controls, b of them at least as extreme, as long as b was 0
each time that more were asked for; a statistic that had an exceedance by then keeps the draws that
it had. Under the null P(p <= a) <= a for all a, whoever decides who goes on, by whatever they see.

Why: say the drawing may end at n_0 < n_1 < n_2 ... draws, and goes on from one end to the next only
with b = 0, and not always then. For a level a let N be the first end with 1 / (1 + N) <= a. If the
drawing was over before, p > a. If it ends at N, p <= a says (1 + b) / (1 + N) <= a for the b there.
If it goes on, b was 0 at N, which meets the same condition. So whenever p <= a, also the p of N
draws for everybody would be <= a, and that has a chance of at most a. To end early can only lose
chances of p <= a: neither the other subclusters nor the other statistic, which shares the draws,
can spoil anything by their say. Only how many draws there are to be must not be chosen by a look at
those very draws.

To go on with b > 0 would spoil it. With 19 controls p = 1/20 takes up the whole chance of 1/20;
if those with p = 2/20 could go on, some would come to p <= 1/20 on top. The sequential p-value of
Besag and Clifford (1991, doi:10.1093/biomet/78.2.301) is of this kind: there the drawing goes on as
long as there are fewer than h exceedances, and p where it stopped at l draws is h / l. With h = 1
their ends are all numbers of draws; here they are the few that were asked for, so that b may be
more than 1 at the last of them.

More controls for all subclusters together leave nobody behind, and p is that of n controls. It
holds for all a if the number did not wait for a result that pleases, and in any case for a below
1 / (1 + n_0), which n_0 draws could not reach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def stop(extreme: ArrayLike, ends: ArrayLike) -> tuple[int, int]:
    """Exceedances and draws behind the p of one subcluster.

    Parameters
    ----------
    extreme : array_like of bool, shape (draws,)
        Which of its controls are at least as extreme as itself, in the order of the draws.
    ends : array_like of int
        Draws that it had each time that more were asked for, and last all that it has; rising, an
        end may come twice.

    Returns
    -------
    tuple of int
        Counted up to the first end that has an exceedance, or to the last.
    """
    drawn = np.asarray(extreme, dtype=bool)
    count = end = 0
    for end in np.ravel(ends).tolist():
        count = int(drawn[:end].sum())
        if count:
            break
    return count, int(end)
