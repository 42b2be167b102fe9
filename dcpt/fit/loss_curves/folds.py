"""Cross-validation inside the fitted curves: schedules, or late parts of curves, left out of a refit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve
from dcpt.fit.loss_curves.guards import decays
from dcpt.fit.loss_curves.problem import CurveProblem
from dcpt.fit.loss_curves.solve import NEAR, CurveSolution, descend

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EARLY = (0.5, 0.7)
"""Shares of a curve's forward area that are kept when its late part is left out."""

MOST_FOLDS = 20
"""Curves beyond which several are left out together: a refit of many curves reads all of them again."""

_STEPS, _SETTLED = 40, 1e-4


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows left out together.

    Attributes
    ----------
    name : str
        The curves, or the part of them, left out.
    out : ndarray of bool, shape (n,)
        Rows left out.
    """

    name: str
    out: Mask


def folds_of(curves: Sequence[Curve]) -> tuple[Fold, ...]:
    """The folds of some curves: each in turn where two or more remain, one with a decay; else late parts.

    Of more than `MOST_FOLDS` curves several are left out together, spread over the order they stand in.
    Losses that a left-out curve shares with another, as branches of one run do, stay in. Late parts are left
    out only where the early parts hold a decay of their own: without one they say nothing of the gain of a
    fall. There may be no fold at all.
    """
    if len(curves) > 2:
        folds = []
        falling = [decays(curve.history.up_to(int(curve.steps[-1]))) for curve in curves]
        for first in range(min(MOST_FOLDS, len(curves))):
            out = range(first, len(curves), MOST_FOLDS)
            if any(falls for index, falls in enumerate(falling) if index not in out):
                more = f" and {len(out) - 1} more" if len(out) > 1 else ""
                folds.append(Fold(curves[first].name + more, _own_rows(curves, out)))
        folds = [fold for fold in folds if fold.out.any()]
        if len(folds) > 1:
            return tuple(folds)
    return tuple(fold for share in EARLY if (fold := _late(curves, share)) is not None)


def _own_rows(curves: Sequence[Curve], out: Sequence[int]) -> Mask:
    """Rows of some curves that no other curve has."""
    pairs = [list(zip(curve.steps.tolist(), curve.loss.tolist(), strict=True)) for curve in curves]
    others = {pair for index, own in enumerate(pairs) if index not in out for pair in own}
    return np.concatenate(
        [np.array([index in out and pair not in others for pair in own]) for index, own in enumerate(pairs)]
    )


def _late(curves: Sequence[Curve], share: float) -> Fold | None:
    areas = [curve.history.S1[curve.steps - 1] for curve in curves]
    late = [area > share * area[-1] for area in areas]
    early = [
        curve.history.up_to(int(curve.steps[~out][-1]))
        for curve, out in zip(curves, late, strict=True)
        if (~out).any()
    ]
    if not any(decays(history) for history in early):
        return None
    return Fold(f"after {100 * share:g} %", np.concatenate(late))


def left_out(problem: CurveProblem, solution: CurveSolution, fold: Fold) -> Array:
    """Log residuals of a fold's rows from a refit to the others that starts at the whole fit."""
    weights = np.where(fold.out, 0.0, problem.weights)
    again = problem.reweighted(weights)
    point, _ = descend(again, again.at(solution.point.u, solution.point), _STEPS, _SETTLED, NEAR)
    return np.asarray(point.residual[fold.out])


def held_out_error(problem: CurveProblem, solution: CurveSolution, curves: Sequence[Curve]) -> float | None:
    """Root mean square log error over all folds, every fold counting the same; None without folds."""
    squares = [float(np.mean(left_out(problem, solution, fold) ** 2)) for fold in folds_of(curves)]
    return float(np.sqrt(np.mean(squares))) if squares else None
