"""Losses that a fitted law of curves expects of a setting, with the draws of its bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError
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
    """

    mean: Array
    draws: Array | None

    def interval(self, level: float = 0.9) -> tuple[Array, Array] | None:
        """Lower and upper quantiles over the draws, each of shape (n,); None without draws."""
        if self.draws is None:
            return None
        tail = 0.5 * (1.0 - level)
        low, high = np.quantile(self.draws, [tail, 1.0 - tail], axis=0)
        return low, high


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
    if fit.draws is None or not len(fit.draws):
        return Forecast(mean, None)
    return Forecast(mean, np.stack([fit.law.evaluate(row, features) for row in fit.draws]))
