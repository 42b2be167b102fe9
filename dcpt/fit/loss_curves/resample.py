"""Uncertainty of a fit of curves: refits to resampled groups of curves, or to resampled stretches of few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve
from dcpt.core.errors import FitError
from dcpt.fit.loss_curves.guards import groups_of
from dcpt.fit.loss_curves.problem import CurveProblem
from dcpt.fit.loss_curves.solve import NEAR, CurveSolution, descend

Array = NDArray[np.float64]

FEW = 5
"""Groups below which stretches of curves are drawn instead: of two or three schedules, a draw without one
would often not identify the law at all."""

STRETCHES = 8
"""Pieces a curve is cut into; losses close to each other share their noise."""

_STEPS, _SETTLED = 60, 1e-5


def curve_weights(curves: Sequence[Curve], draws: int, seed: int) -> Array:
    """How often every row counts in each resample, shape (draws, n).

    Groups of curves are drawn, one fewer than there are and rescaled (Rao and Wu 1988, J. Am. Stat. Assoc.
    83:231). With fewer than `FEW` groups, stretches of each curve are drawn among each other.
    """
    rng = np.random.default_rng(seed)
    groups = groups_of(curves)
    names = list(dict.fromkeys(groups))
    if len(names) >= FEW:
        k = len(names)
        counts = rng.multinomial(k - 1, np.full(k, 1 / k), size=draws) * (k / (k - 1))
        column = np.repeat([names.index(group) for group in groups], [len(curve) for curve in curves])
        return np.asarray(counts[:, column], dtype=np.float64)
    parts = []
    for curve in curves:
        pieces = min(STRETCHES, len(curve))
        times = rng.multinomial(pieces, np.full(pieces, 1 / pieces), size=draws)
        parts.append(times[:, np.arange(len(curve)) * pieces // len(curve)])
    return np.concatenate(parts, axis=1, dtype=np.float64)


def refit_draws(
    problem: CurveProblem, solution: CurveSolution, curves: Sequence[Curve], draws: int, seed: int
) -> tuple[Array, float]:
    """Parameters refitted to resamples from the point fit on, shape (m, p), and the share that settled."""
    law = problem.law
    found = []
    base = problem.weights
    for weights in curve_weights(curves, draws, seed):
        again = problem.reweighted(base * weights)
        try:
            point, settled = descend(
                again, again.at(solution.point.u, solution.point), _STEPS, _SETTLED, NEAR
            )
        except (FitError, np.linalg.LinAlgError):
            continue
        if settled:
            params = again.params(point)
            found.append([params[name] for name in law.names])
    share = len(found) / draws if draws else 1.0
    return np.array(found, dtype=np.float64).reshape(-1, len(law.names)), share
