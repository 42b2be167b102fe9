"""A fitted law: values, draws, doubts and everything a prediction needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.fit.bases import Bases
from dcpt.fit.dataset import Units
from dcpt.fit.doubt import FitWarning
from dcpt.fit.law_inputs import law_inputs
from dcpt.fit.positive_loss import positive
from dcpt.fit.score import HoldoutScore
from dcpt.fit.solve import Status
from dcpt.fit.unit_words import unit_sign
from dcpt.laws.law import Law

if TYPE_CHECKING:
    import lmfit
    from matplotlib.axes import Axes

    from dcpt.core.loss_table import LossTable

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Given = Mapping[str, ArrayLike] | None


@dataclass(frozen=True, eq=False, repr=False)
class LawFit:
    """One law fitted to one evaluation set. Made by `dcpt.fit.fit_law`.

    Attributes
    ----------
    law : Law
        The law.
    eval_set, role, metric, unit : str
        Whose loss, on which side, in which unit.
    theta : ndarray, shape (p,)
        Parameters in the law's order, for N and D in `units`.
    draws : ndarray, shape (n_draws, p)
        Parameters refitted to resampled runs.
    resamples : ndarray of int, shape (n_draws,)
        Number of the resample behind each draw, ascending; refits that fail leave gaps.
    units : Units
        What the law counts N and D in.
    ranges : mapping
        "N", "D" and "r" to the (lowest, highest) fitted value.
    status : {"converged", "max_iter", "bound_hit"}
        How the point fit ended.
    objective, delta : float
        Sum of the Huber losses of the log residuals, and its threshold.
    agree, starts : int
        Starts that ended in the best objective, and all of them.
    draws_converged, residual_sigma : float
        Share of the refits that converged; robust standard deviation of the log residuals.
    mae, mape : float
        In-sample mean absolute error, in the loss's unit and as a share of the loss.
    rows, runs : int
        Rows fitted, and independent runs behind them.
    dropped : mapping
        Reason to the number of rows left out.
    holdouts : tuple of HoldoutScore
        Errors of this law and of the baselines on rows left out of a refit.
    corner_errors : mapping
        "r = 0" and "r = 1" to rows, mae and bias of the fit on corner rows it has not seen.
    warnings : tuple of FitWarning
        Reasons for doubt.
    fixed, ties : mapping
        Parameters the user held at a value or tied to others.
    fingerprint, seed : str, int
        Hash of the loss table, and seed of the draws.
    bases : mapping of str to Bases
        Losses before continual pre-training, by size: what a law with the input L0 or G0 starts from.
    quality : mapping
        Convergence, identification, errors, scatter and residuals: `dcpt.fit.report_numbers.fit_quality`.
    profiles : mapping
        Parameter to its 90 % profile interval, where one was asked for.
    """

    law: Law
    eval_set: str
    role: str
    metric: str
    unit: str
    theta: Array
    draws: Array
    resamples: Integers
    units: Units
    ranges: Mapping[str, tuple[float, float]]
    status: Status
    objective: float
    delta: float
    agree: int
    starts: int
    draws_converged: float
    residual_sigma: float
    mae: float
    mape: float
    rows: int
    runs: int
    dropped: Mapping[str, int]
    holdouts: tuple[HoldoutScore, ...]
    corner_errors: Mapping[str, Mapping[str, float]]
    warnings: tuple[FitWarning, ...]
    fixed: Mapping[str, float]
    ties: Mapping[str, str]
    fingerprint: str
    seed: int
    bases: Mapping[str, Bases] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        p = len(self.law.names)
        if self.theta.shape != (p,) or self.draws.ndim != 2 or self.draws.shape[1] != p:
            raise ConfigError(
                f"fit of {self.law.name}: parameters have shape {self.theta.shape} and draws "
                f"{self.draws.shape}; wanted ({p},) and (n, {p})."
            )
        if len(self.resamples) != len(self.draws) or (np.diff(self.resamples) < 1).any():
            wanted = f"wanted {len(self.draws)} ascending numbers, one for each draw"
            raise ConfigError(f"fit of {self.law.name}: resamples number {len(self.resamples)}; {wanted}.")
        for name, kind in (("theta", np.float64), ("draws", np.float64), ("resamples", np.int64)):
            array = np.array(getattr(self, name), dtype=kind)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name in ("ranges", "dropped", "corner_errors", "fixed", "ties", "bases", "quality", "profiles"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def name(self) -> str:
        """Name of the law."""
        return self.law.name

    @property
    def values(self) -> dict[str, float]:
        """Parameters by name."""
        return {name: float(value) for name, value in zip(self.law.names, self.theta, strict=True)}

    @property
    def raw_values(self) -> dict[str, float] | None:
        """Parameters for N in parameters and D in tokens; None for a law they cannot be given for."""
        from dcpt.fit.raw_values import raw_values

        return raw_values(self)

    @property
    def covariance(self) -> Array:
        """Covariance of the draws, shape (p, p); zeros without draws."""
        p = len(self.theta)
        return np.atleast_2d(np.cov(self.draws, rowvar=False)) if len(self.draws) > 1 else np.zeros((p, p))

    def holdout(self, kind: str, model: str | None = None) -> tuple[HoldoutScore, ...]:
        """Hold-out scores of one kind for a model (this law by default)."""
        wanted = self.law.name if model is None else model
        return tuple(item for item in self.holdouts if item.kind == kind and item.model == wanted)

    def mean(self, N: ArrayLike, D: ArrayLike, r: ArrayLike, given: Given = None) -> Array:
        """Predicted loss.

        Parameters
        ----------
        N, D, r : array_like, broadcast together
            Non-embedding parameters, CPT tokens, DOMAIN share of tokens.
        given : mapping of str to array_like, optional
            Other inputs of the law, in raw units: L0 and G0, losses before CPT (by default measured on
            the bases, or estimated from them), U, columns of the law's own.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ConfigError, FitError
            When a value is out of range or missing; when the law has no positive loss there.
        """
        return positive(self, self.law.evaluate(self.theta, law_inputs(self, N, D, r, given)), N, D)

    def draw_means(self, N: ArrayLike, D: ArrayLike, r: ArrayLike, given: Given = None) -> Array:
        """Predicted loss of every draw, shape (n_draws, n); arguments as in `mean`."""
        draws = self.draws if len(self.draws) else self.theta[None]
        return self.law.evaluate(draws, law_inputs(self, N, D, r, given))

    def predict(
        self, N: ArrayLike, D: ArrayLike, r: ArrayLike, level: float = 0.9, given: Given = None
    ) -> pd.DataFrame:
        """Predicted loss with intervals for its mean and for a new measurement.

        Parameters
        ----------
        N, D, r, given : array_like, broadcast together
            As in `mean`.
        level : float
            Share of the probability inside the intervals.

        Returns
        -------
        pandas.DataFrame
            Columns N, D, r, mean, mean_lo, mean_hi, obs_lo, obs_hi, extrapolates. How the intervals
            are made stands in ``frame.attrs["how"]``.
        """
        from dcpt.fit.predict import predict_frame

        return predict_frame(self, N, D, r, level, given)

    def log_noise(self, N: ArrayLike, D: ArrayLike, r: ArrayLike = 0.5, given: Given = None) -> Array:
        """Standard deviation of a new log measurement around the law, shape (n,).

        Scatter of the residuals; beyond the fitted range, the error of the matching hold-out scaled
        by the log distance; and, where the law starts from a base that was not measured, what its
        estimate adds.
        """
        from dcpt.fit.predict import log_noise

        return log_noise(self, N, D, r, given)

    def extrapolates(self, N: ArrayLike, D: ArrayLike, r: ArrayLike) -> NDArray[np.bool_]:
        """Whether a point lies outside the fitted range of N, D or r, shape (n,)."""
        from dcpt.fit.predict import extrapolates

        return extrapolates(self, N, D, r)

    def summary(self) -> str:
        """The fit in words and tables, for people."""
        from dcpt.fit.summary import summary_text

        return summary_text(self)

    def summary_frame(self, level: float = 0.9) -> pd.DataFrame:
        """Parameter table: value, lo, hi, unit, meaning, note; one row per parameter."""
        from dcpt.fit.summary import parameter_frame

        return parameter_frame(self, level)

    def plot(self, x: str, table: LossTable, ax: Axes | None = None) -> Axes:
        """Draw the law beside the losses it was fitted to.

        Parameters
        ----------
        x : {"r", "D"}
            Loss along the domain share, one curve per size; or along tokens, for the largest size.
        table : LossTable
            The losses.
        ax : Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        ConfigError
            When `x` is neither r nor D.
        """
        from dcpt.fit.curves import plot_fit

        return plot_fit(self, x, table, ax)

    def to_lmfit(self) -> lmfit.minimizer.MinimizerResult:
        """The fit as an lmfit result: parameters with bounds, ties, correlations and standard errors.

        Standard errors and correlations come from the draws, not from a curvature: under the Huber
        loss lmfit's own would be 1.5 to 3 times too narrow.
        """
        from dcpt.fit.lmfit_result import lmfit_result

        return lmfit_result(self)

    def to_dict(self) -> dict[str, Any]:
        """The fit as plain JSON values; `from_dict` gives it back exactly."""
        from dcpt.fit.law_fit_json import law_fit_to_dict

        return law_fit_to_dict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "fit", law: Law | None = None) -> LawFit:
        """Rebuild a fit from `to_dict`; the law is looked up by name unless it is given.

        Raises
        ------
        DataError
            When a field is missing, or the law has changed since the fit was made.
        """
        from dcpt.fit.law_fit_json import law_fit_from_dict

        return law_fit_from_dict(document, where, law)

    def __repr__(self) -> str:
        return (
            f"LawFit({self.law.name} on {self.eval_set}: {self.rows} rows, {self.runs} runs, "
            f"MAE {self.mae:.4f} {unit_sign(self.unit)}, {self.status}, {len(self.draws)} draws, "
            f"{len(self.warnings)} warnings)"
        )
