"""What a fit to the rounds so far says: the best mixture, and what knowing more would gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.sweep.acquire import DRAWS, Array, Outlook, expected_gain, make_pool
from dcpt.sweep.aim import Aim
from dcpt.sweep.mixture_rows import LOSS, SHARE, eval_set_of, mixture_frame
from dcpt.sweep.mixture_settings import PROPORTIONAL, UNIFORM, MixtureDesign
from dcpt.sweep.mixtures import Region, written
from dcpt.sweep.prepare import Sweep

if TYPE_CHECKING:
    from dcpt.core.mixture_table import MixtureTable
    from dcpt.fit.mixtures.predictor import FittedPredictor

Fit = Callable[["MixtureTable", int], "FittedPredictor"]


@dataclass(frozen=True, eq=False)
class Finding:
    """What a fit says between two rounds.

    Attributes
    ----------
    fitted : FittedPredictor
        The predictor.
    outlook : Outlook
        What it says of the pool.
    answer : dict
        As JSON values: predictor, runs, best mixture with its predicted score and losses, the same of the
        best mixture trained, of proportional and of uniform; expected gain of going on.
    gain : float
        That gain, relative to the score.
    """

    fitted: FittedPredictor
    outlook: Outlook
    answer: dict[str, Any]
    gain: float


def find(sweep: Sweep, table: LossTable, aim: Aim, fit: Fit, seed: int) -> Finding:
    """Fit the finished runs of the largest size and budget, and look where the best mixtures may be.

    Parameters
    ----------
    sweep : Sweep
        The sweep with the mixtures of all rounds so far.
    table : LossTable
        Its losses.
    aim : Aim
        What is looked for.
    fit : callable
        Table and seed to a fitted predictor.
    seed : int
        Of the fit, the pool and the draws.
    """
    _, region = design_of(sweep)
    runs = mixture_table(sweep, table)
    fitted = fit(runs, seed)
    ceilings = aim.ceilings(_base_losses(sweep, table, runs))

    def score(shares: Array) -> Array:
        return aim.score(fitted.mean(shares), fitted.targets, ceilings)

    def draw(shares: Array) -> Array:
        return aim.score(fitted.draws(shares, DRAWS, seed), fitted.targets, ceilings)

    trained = np.unique(runs.shares, axis=0)
    by_score = trained[np.argsort(score(trained), kind="stable")]
    baselines = [list(written(name, region.corpora).values()) for name in (PROPORTIONAL, UNIFORM)]
    # Of what was trained the one with the lowest prediction, not the lowest loss, which is partly luck.
    pool = np.concatenate([by_score[:1], make_pool(region, by_score, seed), np.array(baselines)])
    mean, draws = score(pool), draw(pool)
    outlook = Outlook(pool[:-2], mean[:-2], draws[:, :-2])
    gain = expected_gain(outlook, draws[:, 0])
    best = int(np.argmin(outlook.mean))
    named = {"best": best, "best_trained": 0, PROPORTIONAL: -2, UNIFORM: -1}
    told = {name: _told(pool[at], fitted, mean[at], draws[:, at]) for name, at in named.items()}
    level = abs(told["best_trained"]["score"]) or 1.0
    answer = {
        "predictor": fitted.name,
        "runs": len(runs),
        "N": float(runs.N[0]) if runs.N is not None else None,
        "D": float(runs.D[0]) if runs.D is not None else None,
        "ceilings": ceilings,
        "expected_gain": gain,
        "relative_gain": gain / level,
        **told,
    }
    return Finding(fitted, outlook, answer, gain / level)


def mixture_table(sweep: Sweep, table: LossTable) -> MixtureTable:
    """Shares and losses of the finished runs at the largest size, the largest budget and one schedule."""
    from dcpt.core.mixture_table import MixtureTable

    frame = mixture_frame(sweep.design.runs, table)
    frame = frame[frame["N"] == frame["N"].max()]
    frame = frame[frame["D"] == frame["D"].max()]
    frame = frame[frame["schedule"] == frame["schedule"].iloc[0]]
    shares = [name for name in frame if name.startswith(SHARE)]
    losses = [name for name in frame if name.startswith(LOSS)]
    return MixtureTable(
        tuple(name.removeprefix(SHARE) for name in shares),
        tuple(name.removeprefix(LOSS) for name in losses),
        frame[shares].to_numpy(float),
        frame[losses].to_numpy(float),
        tuple(frame["run_id"]),
        N=frame["N"].to_numpy(float),
        D=frame["D"].to_numpy(float),
        seed=frame["seed"].to_numpy(float),
        where=str(sweep.root),
    )


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


def _base_losses(sweep: Sweep, table: LossTable, runs: MixtureTable) -> dict[str, float]:
    """Losses of the base of the fitted size before continual pre-training, by corpus and side."""
    frame = table.select(phases=("base",)).frame
    if runs.N is not None:
        frame = frame[frame["N"] == runs.N[0]]
    losses = dict(zip(frame["eval_set"], frame["value"], strict=True))
    roles = {name: corpus.role for name, corpus in sweep.design.corpora.items()}
    return {name: float(losses[found]) for name, found in eval_set_of(roles).items() if found in losses}


def _told(shares: Array, fitted: FittedPredictor, score: float, draws: Array) -> dict[str, Any]:
    """A mixture with what is predicted of it, as JSON values."""
    mean, sd = fitted.mean(shares[None])[0], fitted.sd(shares[None], noise=False)[0]
    return {
        "shares": dict(zip(fitted.corpora, map(float, shares), strict=True)),
        "score": float(score),
        "score_sd": float(draws.std()),
        "losses": dict(zip(fitted.targets, map(float, mean), strict=True)),
        "losses_sd": dict(zip(fitted.targets, map(float, sd), strict=True)),
    }
