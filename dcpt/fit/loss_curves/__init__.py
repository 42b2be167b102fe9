"""Loss curves + a law of curves -> CurveFit: values, intervals, doubts, predictions under any schedule."""

from dcpt.fit.doubt import FitWarning
from dcpt.fit.loss_curves.average import CurveAverage
from dcpt.fit.loss_curves.choose import LawChoice, choose_law
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.curve_score import CurveScore, score_curves
from dcpt.fit.loss_curves.fit import fit_curves

__all__ = [
    "CurveAverage",
    "CurveFit",
    "CurveScore",
    "FitWarning",
    "LawChoice",
    "choose_law",
    "fit_curves",
    "score_curves",
]
