"""From the optimum of the means to the answer: back towards the runs where that costs next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.mixtures.problem import Problem

Array = NDArray[np.float64]

CAUTION = 0.25
"""Standard deviations of the expected goal that a step back may trade for its mean.

Measured on RegMix's 1M runs (processes on 40, 80 and 160 of 768 runs, 12 fits, six goals each; the process on
all runs taken as the truth): regret of the optimum of the means .175, .106, .063 of the goal's scale over
mixtures; with 0.25 .175, .103, .063; with 1 .206, .118, .076. The best mixtures lie at edges: more caution
costs more than it saves.
"""

_STEPS = np.linspace(0.1, 1.0, 10)


def settle(problem: Problem, optimum: Array, anchors: Sequence[Array]) -> Array:
    """The mixture of least mean plus `CAUTION` standard deviations, between the optimum and some anchors.

    Where the predictor does not know which of many mixtures is best its mean is flat and its spread
    decides; where it knows, the optimum stays.

    Parameters
    ----------
    problem : Problem
        What is asked.
    optimum : ndarray, shape (p,)
        Best mixture of the means.
    anchors : sequence of ndarray, shape (p,)
        Mixtures nearer to what is known: the mean of the answers of the draws, runs.
    """
    anchored = problem.region.pull(np.stack(anchors))
    line = np.vstack([optimum[None], *(optimum + step * (anchored - optimum) for step in _STEPS)])
    losses = problem.surface.losses(line)
    spread = problem.goal.spread(losses, problem.surface.sd(line))
    worth = problem.goal.value(losses) + CAUTION * spread
    worth = np.where(problem.keeps(losses), worth, np.inf)
    worth[0] = min(float(worth[0]), float(problem.goal.value(losses)[0] + CAUTION * spread[0]))
    return np.asarray(line[int(np.argmin(worth))])
