"""The mean of several fits of curves as one predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.curve_score import CurveScore, score_curves

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CurveAverage:
    """Fits of several laws to the same curves, whose mean is the prediction.

    Raises
    ------
    ConfigError
        When there are no fits, or they are to different curves.
    """

    fits: tuple[CurveFit, ...]

    def __post_init__(self) -> None:
        if not self.fits:
            raise ConfigError("average of fits: got none.")
        if len({fit.fingerprint for fit in self.fits}) > 1:
            raise ConfigError("average of fits: they are to different curves; wanted fits to the same ones.")

    @property
    def name(self) -> str:
        """Names of the laws."""
        return " & ".join(fit.name for fit in self.fits)

    def mean(
        self,
        where: Curve | RateHistory,
        steps: ArrayLike | None = None,
        given: Mapping[str, float] | None = None,
    ) -> Array:
        """Predicted losses, nats per token, shape (n,); see `CurveFit.mean`."""
        return np.asarray(np.mean([fit.mean(where, steps, given) for fit in self.fits], axis=0))

    def predict(
        self,
        where: Curve | RateHistory,
        steps: ArrayLike | None = None,
        given: Mapping[str, float] | None = None,
        level: float = 0.9,
    ) -> pd.DataFrame:
        """Losses with intervals; these span those of the fits, so that the laws' disagreement is in them."""
        frames = [fit.predict(where, steps, given, level) for fit in self.fits]
        result = frames[0].copy()
        for name in ("mean", "extrapolates", "mean_lo", "obs_lo", "mean_hi", "obs_hi"):
            table = np.array([frame[name] for frame in frames])
            combine = np.mean if name == "mean" else np.min if name.endswith("_lo") else np.max
            result[name] = combine(table, axis=0)
        result.attrs["warnings"] = list(
            dict.fromkeys(text for frame in frames for text in frame.attrs["warnings"])
        )
        return result

    def score_on(self, curves: Sequence[Curve]) -> CurveScore:
        """Errors on other curves."""
        return score_curves([curve.loss for curve in curves], [self.mean(curve) for curve in curves])
