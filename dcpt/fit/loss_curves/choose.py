"""Which law for these curves? Cross-validation inside them; curves to be predicted play no part."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError, FitError
from dcpt.fit.loss_curves.average import CurveAverage
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.fit import curve_problem, fit_solved
from dcpt.fit.loss_curves.folds import Fold, folds_of, left_out
from dcpt.fit.loss_curves.rows import past_warm_up
from dcpt.fit.loss_curves.solve import solve_curves
from dcpt.fit.threads import one_thread
from dcpt.laws.curves.curve_law import CurveLaw
from dcpt.laws.curves.registry import get_curve_law

Array = NDArray[np.float64]

CANDIDATES = ("rate-power", "multi-power", "intrinsic-power+skip")
"""Laws tried by default: of one phase, with other kernels and ways to count the warm-up; the first is that
which erred least elsewhere. Two memories in steps fit as well and carry less far: fitted up to 25,000 steps
they missed other runs of the logs below by 0.0102 nats on average, the first of these laws by 0.0049."""

CHANCE = 0.95
"""Probability that the ratio of two laws' errors is beyond chance (two-sided, Student's t of its logarithm
over the folds) from which a law that is expected to be the best is given up for another. On 48 choices from
three curves each (logs of Schaipp et al. 2025, arXiv:2501.18965; ``python -m benchmarks.schedule_choice``)
the other runs were missed by 0.0047 nats with this rule, by 0.0049 where the least error on the folds
decided, and by 0.0055 where means of two laws were candidates too."""

ROUNDING = 1e-12
"""Mean absolute log error of a fold below which it is rounding: laws that err less are equally exact."""

MOST_PAIRS = 15
"""Pairs of laws up to which every pair's mean is a candidate too."""


@dataclass(frozen=True)
class LawChoice:
    """The outcome of a cross-validation.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per candidate, best first: name, error (mean absolute log error of the folds, in the mean),
        tied with the best, and one column per fold. Without folds: the first law alone, its error nan.
    best : CurveFit or CurveAverage
        The candidate that is taken, fitted to all curves: the first of the table, or the law that was
        expected to be the best where no other errs less by more than chance.
    ties : tuple of str
        Candidates that are not told from the best: over the folds they differ by no more than one standard
        error of their difference.
    folds : tuple of str
        What was left out.
    refused : mapping
        Candidate to why it cannot be fitted to these curves.
    """

    table: pd.DataFrame
    best: CurveFit | CurveAverage
    ties: tuple[str, ...]
    folds: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def choose_law(
    curves: Sequence[Curve],
    laws: Sequence[str | CurveLaw] = CANDIDATES,
    *,
    averages: bool = False,
    expected: bool | None = None,
    delta: float | None = None,
    fixed: Mapping[str, float] | None = None,
) -> LawChoice:
    """Choose a law by its error on parts of these curves left out of refits.

    Each schedule is left out in turn where two or more remain, one of them with a decay; else the late part
    of every curve, where the early part has a decay. What decides is the mean over the folds of the mean
    absolute log error. Where neither can be done the curves do not tell laws apart, and the first law is
    taken.

    Parameters
    ----------
    curves : sequence of Curve
        Curves of one model and evaluation set: those to be fitted, none of those to be predicted.
    laws : sequence of str or CurveLaw
        Candidates.
    averages : bool
        Whether the mean of all laws, and of every pair when there are few, are candidates too.
    expected : bool, optional
        Whether the first law is expected to be the best, and kept unless another errs less by more than
        chance (`CHANCE`); by default where `laws` are those tried by default.
    delta : float, optional
        Threshold of the Huber loss of the fits; by default each law's own.
    fixed : mapping, optional
        Parameters held at a value, in the laws that have them.

    A candidate that these curves lack something for, or that cannot be fitted to them, is left out and said
    to be.

    Raises
    ------
    ConfigError
        When no law is given, one is given twice, or the curves lack what every candidate reads.
    FitError
        When no candidate can be fitted; it says why the first one cannot.
    """
    expected = tuple(laws) == CANDIDATES if expected is None else expected
    kinds = [get_curve_law(law) for law in laws]
    names = [law.name for law in kinds]
    if not kinds or len(set(names)) < len(names):
        raise ConfigError(f"choice of a law: got {', '.join(names) or 'none'}; wanted different laws.")
    curves, _, dropped = past_warm_up(curves)
    folds = folds_of(curves)
    errors: dict[str, ConfigError | FitError] = {}
    found: dict[str, CurveFit] = {}
    residuals: dict[str, list[Array]] = {}
    with one_thread():
        for law in kinds:
            held = {name: value for name, value in (fixed or {}).items() if name in law.names}
            try:
                problem = curve_problem(law, curves, delta=delta, fixed=held)
                solution = solve_curves(problem, [problem.start(psi) for psi in law.starts or ({},)])
                residuals[law.name] = [left_out(problem, solution, fold) for fold in folds]
            except (ConfigError, FitError) as error:
                errors[law.name] = error
                continue
            found[law.name] = fit_solved(problem, solution, curves, dropped=dropped)
            if not folds:
                break
    if not found:
        first = next(iter(errors.values()))
        mistake = all(isinstance(error, ConfigError) for error in errors.values())
        raise (ConfigError if mistake else FitError)(
            f"choice of a law: none of {', '.join(names)} can be fitted to these curves: {first.message}",
            hint=first.hint,
        )
    refused = {name: error.message for name, error in errors.items()}
    if not folds:
        name, fit = next(iter(found.items()))
        table = pd.DataFrame({"name": [name], "error": [np.nan], "tied": [True]})
        rest = tuple(other for other in names if other != name and other not in refused)
        return LawChoice(table, fit, rest, (), refused)
    sets = _candidates(tuple(found), averages)
    table = _table(sets, residuals, folds)
    taken = _kept(table, names[0], folds) if expected and names[0] in found else str(table["name"].iloc[0])
    fits = tuple(found[name] for name in sets[taken])
    ties = tuple(str(name) for name in table["name"][table["tied"]] if name != taken)
    best = fits[0] if len(fits) == 1 else CurveAverage(fits)
    return LawChoice(table, best, ties, tuple(fold.name for fold in folds), refused)


def _kept(table: pd.DataFrame, first: str, folds: tuple[Fold, ...]) -> str:
    """The first law, or the one of the least error where the difference is beyond chance."""
    best = str(table["name"].iloc[0])
    if best == first or len(folds) < 2:
        return first
    # Ratios of errors: folds differ in how hard they are, and a law that is right errs less in all of them.
    errors = table.set_index("name")[[fold.name for fold in folds]].to_numpy(np.float64)
    rows = np.log(np.maximum(errors, ROUNDING))
    behind = rows[list(table["name"]).index(first)] - rows[0]
    beyond = float(stdtrit(len(folds) - 1, 0.5 + CHANCE / 2))
    noise = float(behind.std(ddof=1)) / np.sqrt(len(folds))
    return best if float(behind.mean()) > beyond * noise else first


def _candidates(names: tuple[str, ...], averages: bool) -> dict[str, tuple[str, ...]]:
    sets: list[tuple[str, ...]] = [(name,) for name in names]
    if averages and len(names) > 1:
        pairs = list(itertools.combinations(names, 2))
        sets += pairs if len(pairs) <= MOST_PAIRS else []
        sets += [names] if len(names) > 2 else []
    return {" & ".join(members): members for members in sets}


def _table(
    sets: Mapping[str, tuple[str, ...]], residuals: Mapping[str, list[Array]], folds: tuple[Fold, ...]
) -> pd.DataFrame:
    errors = np.array(
        [
            [
                np.abs(np.mean([residuals[name][fold] for name in members], axis=0)).mean()
                for fold in range(len(folds))
            ]
            for members in sets.values()
        ]
    )
    mean = errors.mean(axis=1)
    order = np.argsort(mean, kind="stable")
    behind = errors - errors[order[0]]
    noise = behind.std(axis=1, ddof=1) / np.sqrt(len(folds)) if len(folds) > 1 else np.zeros(len(mean))
    frame = pd.DataFrame({"name": list(sets), "error": mean, "tied": behind.mean(axis=1) <= noise})
    for index, fold in enumerate(folds):
        frame[fold.name] = errors[:, index]
    return frame.iloc[order].reset_index(drop=True)
