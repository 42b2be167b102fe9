"""From a fit of losses by mixture and a question to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.plan.mixtures.alike import find_alike
from dcpt.plan.mixtures.compared import Compared, by_name, compare
from dcpt.plan.mixtures.drawn import Drawn
from dcpt.plan.mixtures.find_doubts import find_doubts
from dcpt.plan.mixtures.make_region import spoken
from dcpt.plan.mixtures.mixture_plan import (
    AlikeMix,
    CorpusShare,
    HeldOutScores,
    Mix,
    MixturePlan,
    TargetLoss,
)
from dcpt.plan.mixtures.narrow import runs_behind
from dcpt.plan.mixtures.outlook import look
from dcpt.plan.mixtures.pool import make_pool
from dcpt.plan.mixtures.prices import price_constraints
from dcpt.plan.mixtures.problem import KEPT, Problem
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.reach import find_reach
from dcpt.plan.mixtures.setting import NOW, SEEN, Setting
from dcpt.plan.mixtures.settle import settle
from dcpt.plan.mixtures.solve import Best, solve, solve_from
from dcpt.plan.verdict import judge

Array = NDArray[np.float64]

DRAWS = 200
"""Joint draws behind the intervals."""


def plan_mixture(
    fit: MixtureFit, question: MixtureQuestion | Mapping[str, Any], seed: int = 0, draws: int = DRAWS
) -> MixturePlan:
    """Answer a question about a mixture of many corpora.

    Parameters
    ----------
    fit : MixtureFit
        From `dcpt.fit.mixtures.choose`, or `fit_transfer` for a larger size.
    question : MixtureQuestion or mapping
        What is asked; see `MixtureQuestion` for the fields.
    seed : int
        Of the mixtures looked at and of the draws.
    draws : int
        Joint draws of the predictor behind the intervals.

    Raises
    ------
    ConfigError
        When the question names what is not there or contradicts itself.
    PlanError
        When no mixture keeps the limits; the nearest that can be kept is said.

    Examples
    --------
    >>> import numpy as np
    >>> from dcpt.core.mixture_table import MixtureTable
    >>> from dcpt.fit.mixtures import choose
    >>> shares = np.random.default_rng(0).dirichlet([1, 1, 1], 30)
    >>> losses = 2 + 0.1 / (shares[:, :1] + 0.1) + 0.1 / (shares[:, 1:2] + 0.1)
    >>> table = MixtureTable(("a", "b", "c"), ("loss",), shares, losses, tuple(map(str, range(30))))
    >>> plan = plan_mixture(choose(table), {"minimise": "loss", "shares": ["c >= 0.2"]}, draws=20)
    >>> {name: round(share, 1) for name, share in plan.mixture.items()}
    {'a': 0.4, 'b': 0.4, 'c': 0.2}
    """
    outlook = look(fit, question, seed, draws)
    setting, optimum, asked, drawn = outlook.setting, outlook.optimum, outlook.asked, outlook.drawn
    problem, answer = setting.problem, optimum.shares
    free = _free(setting, optimum, seed)
    anchors = [drawn.shares.mean(axis=0), _nearest(fit.shares, answer), fit.shares[setting.best_row]]
    settled = settle(problem, answer, anchors)
    if not np.array_equal(settled, answer):
        answer = settled
        drawn = drawn.with_answer(asked, answer)
    return _assemble(setting, optimum, free, answer, drawn, draws, seed)


def _free(setting: Setting, optimum: Best, seed: int) -> Best:
    problem = setting.problem
    if not problem.columns and not problem.region.rules:
        return optimum
    region = problem.region.without_rules()
    open_ = problem.with_(region=region, columns=(), ceilings=np.empty(0))
    return solve(open_, np.vstack([optimum.shares[None], make_pool(region, setting.fit.shares, seed)]))


def _assemble(
    setting: Setting, optimum: Best, free: Best, answer: Array, drawn: Drawn, draws: int, seed: int
) -> MixturePlan:
    problem, question = setting.problem, setting.question
    surface, corpora = problem.surface, problem.surface.corpora
    losses, noises = surface.losses(answer[None]), surface.noise(answer[None])
    noise = float(problem.goal.spread(losses, noises)[0])
    compared = compare(setting, answer, drawn, noise, draws, seed)
    alike, alike_lo, alike_hi = find_alike(drawn, question.level, noise)
    shares = _shares(setting, answer, drawn, alike_lo, alike_hi)
    texts = tuple(str(limit) for limit in spoken(question, corpora, setting.fit.targets).limits)
    told = _losses(setting, texts, answer, draws, seed)
    reach = find_reach(answer, runs_behind(setting.fit), corpora)
    held_out = _held_out(setting)
    infeasible = 1 - float(drawn.feasible.mean())
    value = float(problem.goal.value(losses)[0])
    caveats = find_doubts(
        setting, shares, told, compared, reach, held_out, infeasible, _gain(compared), noise
    )
    lo, hi = _ends(drawn.goal[:, 0], question.level)
    return MixturePlan(
        question=question,
        predictor=setting.fit.name,
        fingerprint=setting.fit.fingerprint,
        value=value,
        lo=lo,
        hi=hi,
        noise=noise,
        shares=shares,
        losses=told,
        optimum=Mix(by_name(optimum.shares, corpora), optimum.value),
        free=Mix(by_name(free.shares, corpora), free.value),
        cautious=_cautious(setting, optimum),
        prices=price_constraints(problem, optimum, texts),
        reference=setting.reference,
        compared=compared,
        alike=tuple(
            AlikeMix(by_name(item.shares, corpora), item.moved, item.difference, item.lo, item.hi)
            for item in alike
        ),
        regret=float(drawn.regret.mean()),
        regret_hi=float(np.quantile(drawn.regret, question.level)),
        infeasible=infeasible,
        reach=reach,
        held_out=held_out,
        caveats=caveats,
        verdict=judge(caveats),
        draws=_kept_draws(drawn, corpora),
        seed=seed,
        N=setting.fit.N,
        D=setting.fit.D,
    )


def _shares(
    setting: Setting, answer: Array, drawn: Drawn, alike_lo: Array, alike_hi: Array
) -> tuple[CorpusShare, ...]:
    question, corpora = setting.question, setting.problem.surface.corpora
    tail = (1 - question.level) / 2
    ends = np.quantile(drawn.shares, [tail, 1 - tail], axis=0)
    # An answer at an edge can lie outside the middle of the draws' answers, which never leave the region.
    low, high = np.minimum(ends[0], answer), np.maximum(ends[1], answer)
    seen = runs_behind(setting.fit).max(axis=0)
    found = []
    for at, name in enumerate(corpora):
        tokens = None if question.tokens is None else float(answer[at] * question.tokens)
        pool = question.pools.get(name)
        found.append(
            CorpusShare(
                corpus=name,
                share=round(float(answer[at]), 9),
                lo=float(low[at]),
                hi=float(high[at]),
                alike_lo=float(alike_lo[at]),
                alike_hi=float(alike_hi[at]),
                seen=float(seen[at]),
                tokens=tokens,
                epochs=None if pool is None or tokens is None else tokens / pool,
            )
        )
    return tuple(found)


def _losses(
    setting: Setting, texts: Sequence[str], answer: Array, draws: int, seed: int
) -> tuple[TargetLoss, ...]:
    """Losses at the answer: intervals by the calibrated spread, limits by the paired draws."""
    problem, question = setting.problem, setting.question
    surface, row = problem.surface, answer[None]
    half = float(ndtri(0.5 + question.level / 2))
    mean, sd, run = surface.losses(row)[0], surface.sd(row, False)[0], surface.sd(row, True)[0]
    kept: dict[int, tuple[str, float, float]] = {}
    if problem.columns:
        reference = setting.reference_shares
        two = row if reference is None else np.stack([answer, reference])
        at = surface.draws(two, draws, seed)
        for text, column, ceiling, factor in zip(
            texts, problem.columns, problem.ceilings, setting.relative, strict=True
        ):
            ends = ceiling if np.isnan(factor) else at[:, 1, column] * factor
            share = float((at[:, 0, column] <= ends * (1 + KEPT)).mean())
            if column not in kept or share < kept[column][2]:
                kept[column] = (text, float(ceiling), share)
    found = []
    for column, name in enumerate(surface.targets):
        limit, most, often = kept.get(column, ("", None, None))
        spread, wide = half * float(sd[column]), half * float(run[column])
        level = float(mean[column])
        found.append(
            TargetLoss(
                name, level, level - spread, level + spread, level - wide, level + wide, limit, most, often
            )
        )
    return tuple(found)


def _cautious(setting: Setting, optimum: Best) -> Mix | None:
    """The best mixture whose limits hold with the level's probability: ceilings are lowered by the spread."""
    problem = setting.problem
    if not problem.columns:
        return None
    columns = list(problem.columns)
    half = float(ndtri(setting.question.level))
    best = optimum
    for _ in range(3):
        # The spread moves with the mixture: a few rounds settle it.
        ceilings = problem.ceilings - half * problem.surface.sd(best.shares[None])[0, columns]
        found = _best_or_none(problem.with_(ceilings=ceilings), [best.shares, optimum.shares], setting.pool)
        if found is None:
            return None
        best = found
    spread = problem.surface.sd(best.shares[None])[0, columns]
    if (best.losses[columns] + half * spread > problem.ceilings * (1 + 1e-3)).any():
        return None
    return Mix(by_name(best.shares, problem.surface.corpora), best.value)


def _best_or_none(problem: Problem, starts: Sequence[Array], pool: Array) -> Best | None:
    losses = problem.surface.losses(pool)
    inside = pool[np.argsort(problem.merit(losses))[:1]]
    best = solve_from(problem, [*starts, *inside])
    return best if problem.keeps(best.losses) else None


def _held_out(setting: Setting) -> HeldOutScores:
    """Mean scores over the plan's targets, from the folds that chose the predictor."""
    by_target = setting.fit.choice.by_target
    at = [setting.fit.targets.index(name) for name in setting.problem.surface.targets]
    names = [item.name for item in fields(HeldOutScores) if item.name != "runs"]
    means = {name: float(np.mean([getattr(by_target[place], name) for place in at])) for name in names}
    return HeldOutScores(**means, runs=by_target[at[0]].runs)


def _gain(compared: Sequence[Compared]) -> float | None:
    """Expected gain over the mixture in use, else over the best run seen; None where that breaks limits."""
    known = {item.name: item for item in compared if item.difference is not None}
    item = known.get(NOW, known[SEEN])
    return item.difference if item.allowed else None


def _nearest(runs: Array, answer: Array) -> Array:
    return np.asarray(runs[int(np.argmin(np.abs(runs - answer).sum(axis=1)))])


def _ends(values: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _kept_draws(drawn: Drawn, corpora: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    def digits(values: Array) -> tuple[float, ...]:
        return tuple(float(f"{value:.6g}") for value in values)

    columns = {f"share:{name}": digits(drawn.shares[:, at]) for at, name in enumerate(corpora)}
    columns["value"], columns["answer"] = digits(drawn.value), digits(drawn.goal[:, 0])
    columns["feasible"] = digits(drawn.feasible.astype(float))
    return columns
