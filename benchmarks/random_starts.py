"""scipy's bounded trust-region solver from random starts: the independent check of every optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.measure import Seconds, timed
from dcpt.fit.objective import Problem
from dcpt.fit.solve import AGREEMENT, solve_from


@dataclass(frozen=True)
class RandomStarts:
    """Ends of random starts.

    Attributes
    ----------
    starts : int
    per_start : Seconds
        Mean of a start.
    objective : float
        The least one.
    share_at_best : float
        Share of the starts that end in it.
    """

    starts: int
    per_start: Seconds
    objective: float
    share_at_best: float


def run_random_starts(problem: Problem, starts: int, seed: int = 1) -> RandomStarts:
    """Run the trust-region solver from starts drawn over the box, large bounds on a log scale."""
    rng = np.random.default_rng(seed)
    lower, upper = problem.space.box
    large = upper > 10
    wide = np.exp(rng.uniform(np.log(1e-2), np.log(50.0), (starts, len(lower))))
    narrow = rng.uniform(lower, np.where(large, 3.0, upper), (starts, len(lower)))
    # The irreducible loss lies under the data; a start above them is no start.
    draws = np.clip(np.where(large, np.minimum(wide, problem.data.loss.min()), narrow), lower, upper)
    for name in {"A", "B"} & set(problem.space.free_names):
        column = problem.space.free_names.index(name)
        draws[:, column] = wide[:, column]
    seconds, found = timed(lambda: [solve_from(problem, u)[1] for u in draws])
    per_start, ends = Seconds(seconds.wall / starts, seconds.cpu / starts), np.array(found)
    best = float(ends.min())
    return RandomStarts(starts, per_start, best, float((ends <= best * (1 + AGREEMENT)).mean()))
