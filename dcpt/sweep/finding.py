"""What a fit to the rounds so far says: the best mixture, and what knowing more would gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.sweep.mixture_rows import mixture_frame
from dcpt.sweep.mixture_settings import PROPORTIONAL, UNIFORM, MixtureDesign
from dcpt.sweep.mixtures import Region
from dcpt.sweep.prepare import Sweep
from dcpt.sweep.variant_names import VARIANT, variant_names

if TYPE_CHECKING:
    from dcpt.core.mixture_table import MixtureTable
    from dcpt.fit.mixtures.mixture_fit import MixtureFit
    from dcpt.plan.mixtures.outlook import Outlook
    from dcpt.plan.mixtures.question import MixtureQuestion

Array = NDArray[np.float64]
Fit = Callable[["MixtureTable", int], "MixtureFit"]


@dataclass(frozen=True, eq=False)
class Finding:
    """What a fit says between two rounds.

    Attributes
    ----------
    outlook : Outlook
        The question put to the fit and solved.
    answer : dict
        As JSON values: predictor, runs, best mixture with its predicted score and losses, the same of the
        best mixture trained, of proportional and of uniform; expected gain of going on; ``raised``, why
        limits that no mixture keeps were raised.
    gain : float
        Expected gain of going on, relative to the score.
    """

    outlook: Outlook
    answer: dict[str, Any]
    gain: float


def find(
    sweep: Sweep,
    table: LossTable,
    aim: MixtureQuestion,
    fit: Fit,
    seed: int,
    draws: int,
    variant: str | None = None,
) -> Finding:
    """Fit the finished runs of the largest size and budget, and look where the best mixtures may be.

    Parameters
    ----------
    sweep : Sweep
        The sweep with the mixtures of all rounds so far.
    table : LossTable
        Its losses.
    aim : MixtureQuestion
        What is looked for.
    fit : callable
        Table and seed to a fit.
    seed : int
        Of the fit, the pool and the draws.
    draws : int
        Joint draws of the fit.
    variant : str, optional
        Of the sweep's variants the one whose losses are looked at, where it has several.

    Raises
    ------
    FitError
        When the finished runs are too few for any predictor.
    """
    from dcpt.plan.mixtures.relax import look_within_reach
    from dcpt.plan.mixtures.setting import PROPORTIONAL as BY_SIZE
    from dcpt.plan.mixtures.setting import UNIFORM as EQUAL

    runs = mixture_table(sweep, table, variant)
    fitted = fit(runs, seed)
    outlook, raised = look_within_reach(fitted, aim, seed, draws)
    setting, problem = outlook.setting, outlook.setting.problem
    trained = np.unique(runs.shares, axis=0)
    # Of what was trained the one with the lowest prediction, not the lowest loss, which is partly luck.
    merit = problem.merit(problem.surface.losses(trained))
    named = {
        "best": outlook.optimum.shares,
        "best_trained": trained[int(np.argmin(merit))],
        PROPORTIONAL: setting.mixes[BY_SIZE],
        UNIFORM: setting.mixes[EQUAL],
    }
    told = _told(outlook, fitted, named)
    gain = outlook.regret / (abs(told["best_trained"]["score"]) or 1.0)
    answer = {
        "predictor": fitted.name,
        "runs": len(runs),
        "N": fitted.N,
        "D": fitted.D,
        "ceilings": {
            problem.surface.targets[column]: float(most)
            for column, most in zip(problem.columns, problem.ceilings, strict=True)
        },
        "raised": raised,
        "expected_gain": outlook.regret,
        "relative_gain": gain,
        **told,
    }
    return Finding(outlook, answer, gain)


def mixture_table(sweep: Sweep, table: LossTable, variant: str | None = None) -> MixtureTable:
    """Shares and losses of the finished runs at the largest size and budget, of one schedule and variant."""
    from dcpt.fit.mixtures.mixture_files import mixtures_of_frame

    names = variant_names(sweep.spec.cpt, sweep.design.runs)
    frame = mixture_frame(sweep.design.runs, table, names)
    if names:
        frame = frame[frame[VARIANT] == variant]
    frame = frame[frame["N"] == frame["N"].max()]
    frame = frame[frame["D"] == frame["D"].max()]
    frame = frame[frame["schedule"] == frame["schedule"].iloc[0]]
    return mixtures_of_frame(frame.reset_index(drop=True), where=str(sweep.root))[0]


def design_of(sweep: Sweep) -> tuple[MixtureDesign, Region]:
    """The design of a sweep and where its mixtures may lie.

    Raises
    ------
    ConfigError
        When the sweep has ratios, a list, or a design of fixed points.
    """
    design, region = sweep.spec.cpt.mixtures, sweep.design.region
    if not isinstance(design, MixtureDesign) or region is None or design.kind == "vertices+centroid":
        raise ConfigError(
            f"{sweep.spec.name}: rounds need a design of mixtures in the sweep file.",
            "cpt: mixtures: {kind: sobol-simplex, rounds: [16, 8, 4]} instead of cpt.ratios",
        )
    return design, region


def _told(outlook: Outlook, fitted: MixtureFit, named: dict[str, Array]) -> dict[str, dict[str, Any]]:
    """Mixtures with what is predicted of them, as JSON values."""
    problem = outlook.setting.problem
    shares = np.stack(list(named.values()))
    losses = problem.surface.losses(shares)
    score, keeps = problem.goal.value(losses), problem.keeps(losses)
    spread = outlook.asked.look(shares)[0].std(axis=0)
    mean, sd = fitted.mean(shares), fitted.sd(shares, noise=False)
    return {
        name: {
            "shares": dict(zip(fitted.corpora, map(float, shares[row]), strict=True)),
            "score": float(score[row]),
            "score_sd": float(spread[row]),
            "keeps_limits": bool(keeps[row]),
            "losses": dict(zip(fitted.targets, map(float, mean[row]), strict=True)),
            "losses_sd": dict(zip(fitted.targets, map(float, sd[row]), strict=True)),
        }
        for row, name in enumerate(named)
    }
