"""What the fit would be with another Huber threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.fit.batch import minimise
from dcpt.fit.objective import Problem
from dcpt.fit.solve import POINT_GAIN, Solution
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]

DELTAS = (3e-4, 1e-3, 3e-3, 1e-2)
"""From close to least absolute deviations to close to least squares, for losses of low noise."""


@dataclass(frozen=True, eq=False)
class DeltaSweep:
    """Point fits at several Huber thresholds.

    Attributes
    ----------
    deltas : tuple of float
        The thresholds.
    theta : ndarray, shape (m, p)
        All parameters at each; ``law.evaluate(sweep.theta, inputs)`` gives predictions, (m, n).
    objective : ndarray, shape (m,)
        Sum of the Huber losses under that threshold.
    converged : ndarray of bool, shape (m,)
    """

    deltas: tuple[float, ...]
    theta: Array
    objective: Array
    converged: NDArray[np.bool_]


def delta_sweep(problem: Problem, solution: Solution, deltas: Sequence[float] = DELTAS) -> DeltaSweep:
    """Refit under other Huber thresholds, starting from the point fit.

    The threshold is a choice, not a result: where predictions move with it by more than their
    intervals, the fit rests on which rows count as outliers.

    Parameters
    ----------
    problem, solution
        The point fit.
    deltas : sequence of float
        Thresholds of the log residual.

    Raises
    ------
    ConfigError
        When there is no threshold, or one is not above 0.
    """
    if not len(deltas) or min(deltas) <= 0:
        raise ConfigError(f"delta sweep: deltas is {tuple(deltas)}; wanted thresholds above 0.")
    starts = np.unique(np.vstack([solution.u[None], solution.ends.reshape(-1, len(solution.u))]), axis=0)
    u, objective, converged = [], [], []
    with one_thread():
        for delta in deltas:
            between = np.sqrt(delta * problem.delta)  # half way, in ratio, to the threshold one comes from
            batch = minimise(
                problem.evaluator, starts, problem.space.box, (between, float(delta)), gain=POINT_GAIN
            )
            best = int(batch.objective.argmin())
            u.append(batch.u[best])
            objective.append(batch.objective[best])
            converged.append(batch.converged[best])
    theta = problem.space.expand(np.array(u))[0]
    return DeltaSweep(tuple(map(float, deltas)), theta, np.array(objective), np.array(converged))
