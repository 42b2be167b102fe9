"""A fitted law of curves: values, draws, doubts and predictions along any history of rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.fit.doubt import FitWarning
from dcpt.fit.loss_curves.curve_score import CurveScore, score_curves
from dcpt.fit.loss_curves.guards import prediction_doubts
from dcpt.fit.loss_curves.interval import loss_interval, loss_spread
from dcpt.fit.loss_curves.solve import Status
from dcpt.laws.curves.curve_law import NOTHING, CurveLaw, Features

Array = NDArray[np.float64]

UNSEEN = 2.4e-3
"""Log error on unseen schedules that is assumed where no curve was left out: the root mean square of
`rate-power` on 108 curves of 124M-parameter models, fitted to a constant rate and one decay per peak."""

_CHUNK = 256


@dataclass(frozen=True, eq=False, repr=False)
class CurveFit:
    """One law of curves fitted to some curves. Made by `dcpt.fit.loss_curves.fit_curves`.

    Attributes
    ----------
    law : CurveLaw
        The law.
    params : mapping
        Parameters by name, at full precision.
    status : {"converged", "max_iter", "bound_hit"}
        How the fit ended.
    at_bound : tuple of str
        Parameters on a bound.
    agree, starts : int
        Starts that ended in the best objective, and those followed to the end.
    objective, delta : float
        Sum of the Huber losses of the log residuals, and its threshold.
    score : CurveScore
        Errors on the fitted curves.
    residual_sigma : float
        Robust standard deviation of the log residuals.
    held_out : float, optional
        Root mean square log error on curves, or late parts of them, that a refit had not seen.
    draws : ndarray, shape (n_draws, p)
        Parameters refitted to resamples, in the law's order.
    draws_converged : float
        Share of the refits that settled.
    warnings : tuple of FitWarning
        Reasons for doubt.
    ranges : mapping
        "peak", "cpt_peak" (where a switch is known), "horizon" (steps), "area" (largest S1) and every given
        constant: (least, largest) fitted.
    curves : tuple of str
        Names of the fitted curves.
    rows : int
        Losses fitted.
    fixed : mapping
        Parameters held at a value.
    eval_set, side : str
        Whose loss.
    fingerprint : str
        Hash of the curves.
    seconds : float
        Time the fit took.
    seed : int
        Seed of the draws.
    """

    law: CurveLaw
    params: Mapping[str, float]
    status: Status
    at_bound: tuple[str, ...]
    agree: int
    starts: int
    objective: float
    delta: float
    score: CurveScore
    residual_sigma: float
    held_out: float | None
    draws: Array
    draws_converged: float
    warnings: tuple[FitWarning, ...]
    ranges: Mapping[str, tuple[float, float]]
    curves: tuple[str, ...]
    rows: int
    fixed: Mapping[str, float]
    eval_set: str
    side: str
    fingerprint: str
    seconds: float
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(self.law.values(self.params)))
        draws = np.array(self.draws, dtype=np.float64).reshape(-1, len(self.law.names))
        draws.setflags(write=False)
        object.__setattr__(self, "draws", draws)
        for name in ("ranges", "fixed"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def name(self) -> str:
        """Name of the law."""
        return self.law.name

    @property
    def derived(self) -> dict[str, float]:
        """What papers print beside the parameters."""
        return self.law.derived(self.params)

    @property
    def unseen(self) -> float:
        """Log error that predictions carry beside the draws: that on curves left out, `UNSEEN` without."""
        return UNSEEN if self.held_out is None else self.held_out

    def mean(
        self,
        where: Curve | RateHistory,
        steps: ArrayLike | None = None,
        given: Mapping[str, float] | None = None,
    ) -> Array:
        """Predicted losses, nats per token, shape (n,).

        Parameters
        ----------
        where : Curve or RateHistory
            A curve gives steps and constants too, unless they are named here.
        steps : array_like of int, optional
            Steps to predict at; by default those of the curve, or the last of the history.
        given : mapping, optional
            Constants the law needs: N, r, L0 and so on.
        """
        pieces = self._pieces(where, steps, given)
        return np.concatenate([self.law.evaluate(self.params, piece) for piece in pieces])

    def draw_means(
        self,
        where: Curve | RateHistory,
        steps: ArrayLike | None = None,
        given: Mapping[str, float] | None = None,
    ) -> Array:
        """Predicted losses of every draw, shape (n_draws, n)."""
        if not len(self.draws):
            return np.empty((0, len(_place(where, steps, given)[1])))
        pieces = self._pieces(where, steps, given)
        rows = [[self.law.evaluate(draw, piece) for draw in self.draws] for piece in pieces]
        return np.concatenate([np.array(part) for part in rows], axis=1)

    def _pieces(
        self, where: Curve | RateHistory, steps: ArrayLike | None, given: Mapping[str, float] | None
    ) -> Iterator[Features]:
        """The law's features, some rows at a time: a row is predicted from all falls of the rate before."""
        history, wanted, known = _place(where, steps, given)
        for begin in range(0, len(wanted), _CHUNK):
            rows = wanted[begin : begin + _CHUNK]
            part = self.law.part(history, rows, known, side=self.side)
            yield Features((part,), np.zeros(len(rows), dtype=np.int64))

    def doubts(self, where: Curve | RateHistory, steps: ArrayLike | None = None) -> tuple[FitWarning, ...]:
        """Reasons not to lean on a prediction along this history."""
        history, wanted, _ = _place(where, steps, None)
        upto = history.up_to(int(wanted.max()))
        return tuple(prediction_doubts(self.law, upto, self.ranges))

    def predict(
        self,
        where: Curve | RateHistory,
        steps: ArrayLike | None = None,
        given: Mapping[str, float] | None = None,
        level: float = 0.9,
    ) -> pd.DataFrame:
        """Losses along a history with intervals.

        The interval of the mean comes from the draws, where there are some, and the error on curves left out
        (`UNSEEN` where none were); that of an observation adds the scatter of the residuals.

        Returns
        -------
        pandas.DataFrame
            Columns step, mean, mean_lo, mean_hi, obs_lo, obs_hi, extrapolates; its ``attrs["warnings"]`` say
            why.
        """
        if not 0 < level < 1:
            raise ConfigError(f"prediction: level is {level:g}; wanted a probability between 0 and 1.")
        history, wanted, _ = _place(where, steps, given)
        mean = self.mean(where, steps, given)
        spread = loss_spread(mean, self.draw_means(where, steps, given), self.unseen)
        noisy = np.hypot(spread, self.residual_sigma)
        mean_lo, mean_hi = loss_interval(mean, spread, level)
        obs_lo, obs_hi = loss_interval(mean, noisy, level)
        doubts = self.doubts(where, steps)
        area = history.S1[wanted - 1]
        other = any(item.kind in ("other_peak", "rate_rises") for item in doubts)
        frame = pd.DataFrame(
            {
                "step": wanted,
                "mean": mean,
                "mean_lo": mean_lo,
                "mean_hi": mean_hi,
                "obs_lo": obs_lo,
                "obs_hi": obs_hi,
                "extrapolates": (area > self.ranges["area"][1]) | other,
            }
        )
        frame.attrs["warnings"] = [str(item) for item in doubts]
        return frame

    def score_on(self, curves: Sequence[Curve]) -> CurveScore:
        """Errors on other curves."""
        return score_curves([curve.loss for curve in curves], [self.mean(curve) for curve in curves])

    def to_json(self) -> dict[str, Any]:
        """The fit as plain JSON values; `from_json` gives it back exactly."""
        from dcpt.fit.loss_curves.curve_fit_json import curve_fit_to_json

        return curve_fit_to_json(self)

    @classmethod
    def from_json(
        cls, document: Mapping[str, Any], where: str = "curve fit", law: CurveLaw | None = None
    ) -> CurveFit:
        """Rebuild a fit from `to_json`; the law is looked up by name unless it is given.

        Raises
        ------
        DataError
            When a field is missing, or the law has changed since the fit was made.
        """
        from dcpt.fit.loss_curves.curve_fit_json import curve_fit_from_json

        return curve_fit_from_json(document, where, law)

    def __repr__(self) -> str:
        return (
            f"CurveFit({self.law.name} on {self.eval_set}: {len(self.curves)} curves, {self.rows} losses, "
            f"MAE {self.score.mae:.4f}, {self.status}, {len(self.draws)} draws, "
            f"{len(self.warnings)} warnings)"
        )


def _place(
    where: Curve | RateHistory, steps: ArrayLike | None, given: Mapping[str, float] | None
) -> tuple[RateHistory, NDArray[np.int64], Mapping[str, float]]:
    history = where.history if isinstance(where, Curve) else where
    known: Mapping[str, float] = where.given if isinstance(where, Curve) else NOTHING
    if steps is not None:
        wanted = np.atleast_1d(np.asarray(steps, dtype=np.int64))
    else:
        wanted = where.steps if isinstance(where, Curve) else np.array([len(history)])
    if not len(wanted) or wanted.min() < 1 or wanted.max() > len(history):
        raise ConfigError(
            f"prediction: steps must lie within the history's {len(history)} steps, counted from 1."
        )
    if (np.diff(wanted) <= 0).any():
        raise ConfigError("prediction: steps do not ascend; wanted them in order, each once.")
    return history, wanted, {**known, **(given or {})}
