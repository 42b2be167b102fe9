"""Losses that a fitted law of curves expects of a setting, with the draws of its bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError
from dcpt.fit.loss_curves.interval import loss_interval, loss_spread
from dcpt.laws.curves import CurveLaw, Features
from dcpt.plan.schedule.setting import Setting

Array = NDArray[np.float64]


class FittedCurves(Protocol):
    """What a decision needs of a fit of a law of curves."""

    @property
    def law(self) -> CurveLaw:
        """The law."""

    @property
    def params(self) -> Mapping[str, float]:
        """Its parameters by name."""

    @property
    def draws(self) -> Array | None:
        """Parameters of the bootstrap refits, shape (draws, p), in the law's order; None without."""

    @property
    def side(self) -> str:
        """Whose loss it describes."""

    @property
    def unseen(self) -> float:
        """Log error of its predictions on curves left out."""

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """Least and largest peak, forward area (``area``) and given constants of the fitted curves."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Expected losses.

    Attributes
    ----------
    mean : ndarray, shape (n,)
        Under the fitted parameters.
    draws : ndarray, shape (draws, n), or None
        Under those of the bootstrap refits.
    unseen : ndarray, shape (n,), or None
        Log error on curves left out, which a loss carries beside the draws; None for differences between
        losses of one fit, where what the law misses is taken to cancel.
    """

    mean: Array
    draws: Array | None
    unseen: Array | None = None

    def interval(self, level: float = 0.9) -> tuple[Array, Array] | None:
        """Lower and upper end, each of shape (n,).

        Of a loss as `dcpt.fit.loss_curves.CurveFit.predict` has it; of a difference quantiles over the draws,
        None without them.
        """
        if self.unseen is not None:
            return loss_interval(self.mean, loss_spread(self.mean, self.draws, self.unseen), level)
        if self.draws is None:
            return None
        tail = 0.5 * (1.0 - level)
        low, high = np.quantile(self.draws, [tail, 1.0 - tail], axis=0)
        return low, high

    def take(self, columns: slice) -> Forecast:
        """Some of its columns."""
        return Forecast(
            self.mean[columns],
            None if self.draws is None else self.draws[:, columns],
            None if self.unseen is None else self.unseen[columns],
        )


def difference(end: Forecast, start: Forecast) -> Forecast:
    """Change between two forecasts of one fit, draw by draw."""
    draws = None if end.draws is None or start.draws is None else end.draws - start.draws
    return Forecast(end.mean - start.mean, draws)


def weighted_sum(parts: Sequence[Forecast], weights: Sequence[float]) -> Forecast:
    """Weighted sum of forecasts, draw i of each as one draw.

    Errors on curves left out add up as those of independent fits do; a sum of differences has none.
    """
    pairs = list(zip(parts, weights, strict=True))
    mean = np.sum([weight * part.mean for part, weight in pairs], axis=0)
    errors = [weight * part.mean * part.unseen for part, weight in pairs if part.unseen is not None]
    unseen = np.sqrt(np.sum(np.square(errors), axis=0)) / mean if len(errors) == len(pairs) else None
    tables = [part.draws for part in parts]
    if any(table is None for table in tables):
        return Forecast(mean, None, unseen)
    count = min(len(table) for table in tables if table is not None)
    kept = [weight * part.draws[:count] for part, weight in pairs if part.draws is not None]
    return Forecast(mean, np.sum(kept, axis=0), unseen)


def final_losses(fit: FittedCurves, settings: Sequence[Setting]) -> Forecast:
    """Loss at the end of each of some runs.

    Parameters
    ----------
    fit : FittedCurves
        The fit.
    settings : sequence of Setting
        The runs.

    Returns
    -------
    Forecast
        One column per run.
    """
    curves = []
    for setting in settings:
        history = setting.history()
        curves.append(_asked(fit, setting, [len(history)]))
    return _under_all(fit, fit.law.prepare(curves))


def losses_at(fit: FittedCurves, setting: Setting, steps: ArrayLike) -> Forecast:
    """Losses along one run, at steps of the joined history; its `switch` is the end of the base."""
    return _under_all(fit, fit.law.prepare([_asked(fit, setting, steps)]))


def start_losses(fit: FittedCurves, settings: Sequence[Setting]) -> Forecast:
    """Loss of the base before continual pre-training, for each of some runs.

    Raises
    ------
    ConfigError
        When the pre-training of a setting is not known: its loss is then one to measure.
    """
    if not all(setting.switch for setting in settings):
        raise ConfigError(
            "loss of the base: the setting's pre-training is not known; wanted its schedule in `pre`.",
            hint="measure the base's loss: one evaluation",
        )
    return _under_all(fit, fit.law.prepare([_asked(fit, item, [item.switch]) for item in settings]))


def _asked(fit: FittedCurves, setting: Setting, steps: ArrayLike) -> Curve:
    at = np.asarray(steps, dtype=np.int64)
    return Curve("planned", setting.history(), at, np.ones(len(at)), setting.given(fit.side), side=fit.side)


def _under_all(fit: FittedCurves, features: Features) -> Forecast:
    mean = fit.law.evaluate(fit.params, features)
    unseen = np.full_like(mean, fit.unseen)
    if fit.draws is None or not len(fit.draws):
        return Forecast(mean, None, unseen)
    return Forecast(mean, np.stack([fit.law.evaluate(row, features) for row in fit.draws]), unseen)
