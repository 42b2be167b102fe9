"""What curves tell of a law's parameters, to first order: a run is the unit, not a loss read along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve
from dcpt.fit.loss_curves.chosen_curves import counted_once
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.guards import groups_of
from dcpt.fit.loss_curves.solve import PULL
from dcpt.plan.next_runs.curves.run import CurveRun, Stretch
from dcpt.plan.next_runs.curves.scatter import CurveScatter

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Told:
    """One side's law near its point fit, with p free parameters in units of their own size.

    Attributes
    ----------
    fit : CurveFit
        The fit.
    scatter : CurveScatter
        Of its residuals.
    free : ndarray of bool, shape (all parameters,)
        Parameters that vary.
    size : ndarray, shape (p,)
        Unit of each free parameter.
    there : ndarray, shape (p, p)
        Information of the losses that are there, and of the prior.
    squares : ndarray, shape (stretches, p, p)
        Squared slopes of the log losses of each stretch on offer.
    sums : ndarray, shape (stretches, p)
        Sums of the slopes.
    counts : ndarray, shape (stretches,)
        Losses read there.
    """

    fit: CurveFit
    scatter: CurveScatter
    free: NDArray[np.bool_]
    size: Array
    there: Array
    squares: Array
    sums: Array
    counts: Array

    @classmethod
    def of(
        cls, fit: CurveFit, curves: Sequence[Curve], runs: Sequence[CurveRun], offered: Sequence[Stretch]
    ) -> Told:
        """Slopes of the losses that are there and of those on offer.

        A parameter is taken to be known to its own size, and to what the law's prior says: a fit weighs both
        against its residuals.
        """
        scatter = CurveScatter.of(fit, curves)
        theta = np.array([fit.params[name] for name in fit.law.names])
        spread = fit.draws.std(axis=0) if len(fit.draws) else np.zeros(len(theta))
        free = spread > 1e-9 * np.maximum(np.abs(theta), 1e-300)
        size = np.maximum(np.abs(theta), spread)[free]
        p = len(size)

        def slopes(some: Sequence[Curve]) -> Array:
            features = fit.law.prepare(some)
            loss = fit.law.evaluate(fit.params, features)
            return np.asarray(fit.law.jacobian(fit.params, features)[:, free] * size / loss[:, None])

        weights = counted_once(curves) or [np.ones(len(curve)) for curve in curves]
        weight, table = np.concatenate(weights), slopes(curves)
        names = groups_of(curves)
        lengths = [len(curve) for curve in curves]
        place = np.repeat([list(dict.fromkeys(names)).index(name) for name in names], lengths)
        weighed = weight[:, None] * table
        sums = np.array([weighed[place == run].sum(axis=0) for run in np.unique(place)])
        counts = np.bincount(place, weight).astype(np.float64)
        known = information(scatter, table.T @ weighed, sums, counts)
        widths = np.array([fit.law.prior.get(name, (0.0, np.inf))[1] for name in fit.law.names])[free]
        known = known + np.diag(1.0 + PULL * (size / widths) ** 2)
        read = [part for part in offered if len(part.steps)]
        found = slopes([_curve(runs[one.run], one, fit.side) for one in read]) if read else np.zeros((0, p))
        ends = np.cumsum([len(part.steps) for part in offered])
        pieces = np.split(found, ends[:-1]) if len(offered) else []
        return cls(
            fit,
            scatter,
            free,
            size,
            known,
            np.array([piece.T @ piece for piece in pieces]).reshape(-1, p, p),
            np.array([piece.sum(axis=0) for piece in pieces]).reshape(-1, p),
            np.array([len(piece) for piece in pieces], dtype=np.float64),
        )


def information(scatter: CurveScatter, squares: Array, sums: Array, counts: Array) -> Array:
    """What runs tell, shape (..., p, p): each is known up to an offset that all of its losses share.

    Its losses have the covariance ``own * 1 + common * 11'``, whose inverse takes from the squares what the
    offset hides: of a run read ever more often its level is known no better than one offset.

    Parameters
    ----------
    scatter : CurveScatter
        Of the losses.
    squares : ndarray, shape (..., p, p)
        Sum of the squared slopes of all runs.
    sums : ndarray, shape (..., runs, p)
        Sums of the slopes of each run.
    counts : ndarray, shape (..., runs)
        Losses of each run.
    """
    hidden = scatter.common / (scatter.own + counts * scatter.common)
    taken = (sums * hidden[..., None]).swapaxes(-1, -2) @ sums
    return np.asarray((squares - taken) / scatter.own)


def _curve(run: CurveRun, part: Stretch, side: str) -> Curve:
    return Curve("offered", run.history, part.steps, np.ones(len(part.steps)), run.given[side], side=side)
