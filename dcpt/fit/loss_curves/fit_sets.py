"""Several laws to the curves of one evaluation set: which predicts best, and how it does on other curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError, FitError
from dcpt.fit.loss_curves.average import CurveAverage
from dcpt.fit.loss_curves.choose import CANDIDATES, choose_law
from dcpt.fit.loss_curves.chosen_curves import check_constants, counted_once, unseen
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.curve_score import score_curves
from dcpt.fit.loss_curves.fit import fit_curves
from dcpt.laws.curves import CurveLaw
from dcpt.laws.curves.cpt_dynamics import DEFAULT_LAWS

KERNELS = ("+rate-power", "+intrinsic-power", "")
"""Annealing kernels that the laws of continual pre-training are tried with by default; the first erred least
on schedules that were not fitted (experiments/cpt_dynamics_cpu/kernels.py)."""


@dataclass(frozen=True, eq=False)
class SetFits:
    """Fits of laws of curves to one evaluation set.

    Attributes
    ----------
    eval_set, side : str
        The set, and whose loss it measures.
    fits : tuple of CurveFit
        One per law.
    best : tuple of str
        Laws whose mean is the prediction: one, or the members of an average.
    choice : tuple of mapping
        Candidates compared on parts of the curves left out, least error first: name, error, tied, folds;
        empty when one law was named.
    tests : mapping
        Law, or average, to one row per curve that was not fitted: name, losses, mae, rmse, mape, worst and
        last at losses that it shares with no fitted curve, and mae_whole over all of it, as papers have it.
    refused : mapping
        Candidate that was left out of the comparison to why.
    """

    eval_set: str
    side: str
    fits: tuple[CurveFit, ...]
    best: tuple[str, ...]
    choice: tuple[Mapping[str, Any], ...] = ()
    tests: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def get(self, law: str) -> CurveFit:
        """The fit of one law.

        Raises
        ------
        ConfigError
            When there is none.
        """
        for fit in self.fits:
            if fit.law.name == law:
                return fit
        there = ", ".join(fit.law.name for fit in self.fits)
        raise ConfigError(f"fits: law {law!r} is not fitted to {self.eval_set}; there are {there}.")

    def predictor(self, law: str | None = None) -> CurveFit | CurveAverage:
        """What predicts best, or the fit of the law that is named."""
        if law is not None:
            return self.get(law)
        fits = tuple(self.get(name) for name in self.best)
        return fits[0] if len(fits) == 1 else CurveAverage(fits)

    def single(self, law: str | None = None) -> CurveFit:
        """The best fit of one law, for questions that an average has no answer to."""
        if law is not None:
            return self.get(law)
        if len(self.best) == 1:
            return self.get(self.best[0])
        ranked = [str(row["name"]) for row in self.choice]
        there = {fit.law.name for fit in self.fits}
        return self.get(
            next((name for name in (*ranked, *self.best) if name in there), self.fits[0].law.name)
        )


def candidates(curves: Sequence[Curve]) -> tuple[str, ...]:
    """Laws that are compared when none is named, by what the curves know.

    Curves with pre-training in front, or of several mixtures, get the laws of continual pre-training, with
    the terms that several sizes or mixtures ask for.
    """
    varied = {
        key: len({curve.given[key] for curve in curves if key in curve.given}) > 1 for key in ("N", "s")
    }
    based = all(curve.history.switch for curve in curves)
    if not based and not any(varied.values()):
        return CANDIDATES
    stem = "cpt-dynamics" if based else "cpt-dynamics-unknown-base"
    stem += "+size" if varied["N"] else ""
    if not varied["s"]:
        return tuple(f"{stem}{kernel}" for kernel in KERNELS)
    factor = DEFAULT_LAWS[curves[0].side].removeprefix("cpt-dynamics")
    others = (law.removeprefix("cpt-dynamics") for law in DEFAULT_LAWS.values())
    rest = tuple(f"{stem}{other}{KERNELS[0]}" for other in others if other != factor)
    return (*(f"{stem}{factor}{kernel}" for kernel in KERNELS), *rest)


def fit_set(
    laws: Sequence[CurveLaw],
    curves: Sequence[Curve],
    others: Sequence[Curve] = (),
    *,
    only_best: bool = False,
    delta: float | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
    holdout: bool = True,
) -> SetFits:
    """Fit laws to curves, rank several by their error on parts left out, and score them on other curves.

    A loss that several curves share, as branches share those of their trunk, counts once.

    Parameters
    ----------
    laws : sequence of CurveLaw
        The laws.
    curves : sequence of Curve
        Curves of one evaluation set, to be fitted.
    others : sequence of Curve
        Curves of the same set that the fits are scored on, at losses that no fitted curve has; they play no
        part in the choice.
    only_best : bool
        Keep what predicts best, and the best single law, instead of every law; the first law is expected to
        be the best, as those of `candidates` are.
    delta, bootstrap, seed, fixed, holdout
        As in `fit_curves`; a fixed parameter is held in the laws that have it.

    Raises
    ------
    ConfigError
        When no law is given, none has a fixed parameter, or the curves differ in what a law does not read.
    FitError
        When a law that was named cannot be fitted.
    """
    if not laws:
        raise ConfigError("fit: no law is given.")
    held = dict(fixed or {})
    for name in held:
        if not any(name in law.names for law in laws):
            known = ", ".join(dict.fromkeys(name for law in laws for name in law.names))
            raise ConfigError(f"--fix: {name!r} is no parameter of the law; it has {known}.")
    for law in laws:
        check_constants([*curves, *others], law.name, law.needs)
    best: tuple[str, ...] = (laws[0].name,)
    kept = list(laws)
    choice: tuple[Mapping[str, Any], ...] = ()
    refused: Mapping[str, str] = {}
    if len(laws) > 1:
        found = choose_law(curves, laws, expected=only_best, delta=delta, fixed=held)
        refused = found.refused
        choice = _plain(found.table.to_dict("records"), found.folds)
        best = tuple(found.best.name.split(" & "))
        if only_best:
            singles = [str(row["name"]) for row in choice if " & " not in str(row["name"])]
            kept = [law for law in laws if law.name in {*best, *singles[:1]}]
    weights = counted_once(curves)
    fits = []
    for law in kept:
        own = {name: value for name, value in held.items() if name in law.names}
        fits.append(
            fit_curves(
                law,
                curves,
                delta=delta,
                bootstrap=bootstrap,
                seed=seed,
                fixed=own,
                weights=weights,
                holdout=holdout,
            )
        )
    made = SetFits(curves[0].eval_set, curves[0].side, tuple(fits), best, choice, refused=refused)
    if not others:
        return made
    predictors = {fit.law.name: fit for fit in fits} | {" & ".join(best): made.predictor()}
    tests = {name: score_each(item, others, curves) for name, item in predictors.items()}
    return dataclasses.replace(made, tests=tests)


def score_each(
    fit: CurveFit | CurveAverage, curves: Sequence[Curve], fitted: Sequence[Curve] = ()
) -> tuple[Mapping[str, Any], ...]:
    """Errors of predictions, one row per curve that has losses which no fitted curve has."""
    whole = {curve.name: curve for curve in curves}
    rows = []
    for curve in unseen(curves, fitted):
        predicted = np.asarray(fit.mean(curve), dtype=np.float64)
        if not np.isfinite(predicted).all():
            raise FitError(f"law {fit.name}: the prediction of curve {curve.name} is not finite.")
        score = dataclasses.asdict(score_curves([curve.loss], [predicted]))
        mae = fit.score_on([whole[curve.name]]).mae
        rows.append({"name": curve.name, "losses": len(curve), **score, "mae_whole": mae})
    return tuple(rows)


def _plain(rows: Sequence[Mapping[str, Any]], folds: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """Rows of the comparison in plain values; an error that was not measured is None."""

    def number(value: Any) -> float | None:
        return float(value) if np.isfinite(value) else None

    return tuple(
        {
            "name": str(row["name"]),
            "error": number(row["error"]),
            "tied": bool(row["tied"]),
            "folds": {name: number(row[name]) for name in folds},
        }
        for row in rows
    )
