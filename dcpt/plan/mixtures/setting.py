"""A question put to a fit: losses, region, goal, ceilings and the mixtures compared with, made ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.plan.baselines import REPLAYS
from dcpt.plan.mixtures.goal import goal_weights, make_goal
from dcpt.plan.mixtures.make_region import make_region, resolved
from dcpt.plan.mixtures.pool import make_pool
from dcpt.plan.mixtures.problem import Problem
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.repetition import Repetition
from dcpt.plan.mixtures.side_targets import side_targets, single_targets
from dcpt.plan.mixtures.surface import Surface

Array = NDArray[np.float64]

NOW, PROPORTIONAL, UNIFORM, SEEN, CENTRE = (
    "mix in use",
    "proportional",
    "uniform",
    "best run seen",
    "centre of the runs",
)
BASE = "base before continual pre-training"
"""What relative limits are measured from where its losses are known; no mixture."""

_AGAINST = {
    "base": BASE,
    "now": NOW,
    "proportional": PROPORTIONAL,
    "uniform": UNIFORM,
    "best": SEEN,
    "centre": CENTRE,
}


@dataclass(frozen=True)
class Setting:
    """Everything that solving needs.

    Attributes
    ----------
    fit : MixtureFit
        The fit.
    question : MixtureQuestion
        The question, with full names.
    problem : Problem
        What is solved.
    pool : ndarray, shape (q, p)
        Mixtures of the region.
    mixes : dict of str to ndarray
        Mixtures compared with, by name; those that are not known are missing.
    missing : dict of str to str
        Why they are.
    reference : str
        What relative limits are measured from: the name of a mixture, or `BASE`.
    relative : ndarray, shape (m,)
        Factor over the reference mixture's loss that a ceiling stands for; nan for one that is a number.
    best_row : int
        Row of the best run seen: of those that keep rules and limits, where there are any.
    """

    fit: MixtureFit
    question: MixtureQuestion
    problem: Problem
    pool: Array
    mixes: dict[str, Array]
    missing: dict[str, str]
    reference: str
    relative: Array
    best_row: int

    @property
    def reference_shares(self) -> Array | None:
        """The mixture that relative limits are measured from, shape (p,); None for the base."""
        return self.mixes.get(self.reference)

    @property
    def measured(self) -> Array:
        """Losses of the fitted runs on the surface's targets, shape (n, k)."""
        at = [self.fit.targets.index(name) for name in self.problem.surface.targets]
        return self.fit.losses[:, at]


def make_setting(fit: MixtureFit, question: MixtureQuestion, seed: int = 0) -> Setting:
    """Put a question to a fit.

    Raises
    ------
    ConfigError
        When a name is unknown, rules contradict each other, or what a limit is relative to is not known.
    """
    full = resolved(question, fit.corpora, fit.targets, fit.sides, fit.keep)
    assert full.minimise is not None
    weights, worst = goal_weights(
        full.minimise,
        fit.targets,
        side_targets(fit.targets, fit.corpora, fit.sides),
        single_targets(fit.targets, fit.corpora, fit.sides),
    )
    limited = [limit.eval_set for limit in full.limits]
    targets = tuple(name for name in fit.targets if name in weights or name in limited)
    region = make_region(full, fit.corpora)
    surface = Surface.of(fit, targets, _repetition(full, fit.corpora))
    mixes, missing = _mixes(full, fit)
    measured = fit.losses[:, [fit.targets.index(name) for name in targets]]
    if worst and full.against == "best":
        raise ConfigError(
            "against: best is the run of the least goal, and worst needs a mixture to be measured from; "
            "wanted another one."
        )
    reference = _reference(full, mixes, missing, fit.base is not None)
    base = None
    if reference == BASE:
        assert fit.base is not None
        base = fit.base[[fit.targets.index(name) for name in targets]]
    elif reference != SEEN:
        base = surface.losses(mixes[reference][None])[0]
    goal = make_goal(full.minimise, weights, targets, base if worst else None)
    if base is None:
        mixes[SEEN] = fit.shares[int(np.argmin(goal.value(measured)))]
        base = surface.losses(mixes[SEEN][None])[0]
    columns = tuple(targets.index(name) for name in limited)
    ceilings = np.array(
        [limit.ceiling(float(base[at])) for limit, at in zip(full.limits, columns, strict=True)]
    )
    relative = np.array(
        [
            np.nan if limit.kind == "ceiling" or reference == BASE else ceiling / base[at]
            for limit, ceiling, at in zip(full.limits, ceilings, columns, strict=True)
        ]
    )
    pool = make_pool(region, fit.shares, seed)
    scale = float(goal.value(surface.losses(pool)).std())
    problem = Problem(surface, region, goal, columns, ceilings, max(scale, 1e-9))
    # Where limits are measured from the best run, it is the best one without limits.
    best_row = (
        int(np.argmin(goal.value(measured))) if SEEN in mixes else _best_row(problem, fit.shares, measured)
    )
    mixes.setdefault(SEEN, fit.shares[best_row])
    return Setting(fit, full, problem, pool, mixes, missing, reference, relative, best_row)


def _best_row(problem: Problem, shares: Array, measured: Array) -> int:
    """The run of the least goal among those that keep every rule and limit; among all where none does."""
    allowed = problem.region.contains(shares, 1e-6) & problem.keeps(measured)
    value = problem.goal.value(measured)
    return int(np.argmin(np.where(allowed, value, np.inf) if allowed.any() else value))


def _repetition(question: MixtureQuestion, corpora: tuple[str, ...]) -> Repetition | None:
    if not question.discount or question.tokens is None:
        return None
    return Repetition.of(question.pools, corpora, question.tokens, question.decay, question.token_slope)


def _mixes(question: MixtureQuestion, fit: MixtureFit) -> tuple[dict[str, Array], dict[str, str]]:
    """Mixtures to compare with, the best run seen aside, and why others are missing."""
    corpora = fit.corpora
    mixes, missing = {}, {}
    if question.now is not None:
        mixes[NOW] = _given(question.now, corpora)
    unknown = [name for name in corpora if name not in question.pools]
    if unknown:
        missing[PROPORTIONAL] = "the sizes of the corpora are not known; give every pool to have it"
    else:
        pools = np.array([question.pools[name] for name in corpora])
        mixes[PROPORTIONAL] = pools / pools.sum()
    mixes[UNIFORM] = np.full(len(corpora), 1 / len(corpora))
    mixes |= _replays(question, fit, mixes.get(PROPORTIONAL, mixes[UNIFORM]))
    mixes[CENTRE] = fit.shares.mean(axis=0) / fit.shares.mean(axis=0).sum()
    return mixes, missing


def _replays(question: MixtureQuestion, fit: MixtureFit, within: Array) -> dict[str, Array]:
    """The replay of common practice, each side divided as in `within`; none where no side is known."""
    names = question.general or [
        name for name, side in zip(fit.corpora, fit.sides or (), strict=False) if side == GENERAL
    ]
    general = np.isin(fit.corpora, list(names))
    if not general.any() or general.all():
        return {}
    parts = [np.where(side, within, 0.0) / within[side].sum() for side in (general, ~general)]
    return {f"{100 * share:.0f} % replay": share * parts[0] + (1 - share) * parts[1] for share in REPLAYS}


def _given(shares: Mapping[str, float], corpora: tuple[str, ...]) -> Array:
    from dcpt.fit.mixtures.predictor import as_shares

    try:
        found = as_shares(shares, corpora)[0]
    except ConfigError as error:
        raise ConfigError(
            f"now: {error.message}", "name every corpus of the mixture with its share of tokens"
        ) from None
    return np.asarray(np.maximum(found, 0.0) / np.maximum(found, 0.0).sum())


def _reference(
    question: MixtureQuestion, mixes: Mapping[str, Array], missing: Mapping[str, str], has_base: bool
) -> str:
    if question.against is not None:
        name = _AGAINST[question.against]
        if name == BASE and not has_base:
            raise ConfigError(
                "against: the base's losses are asked for and the runs do not say them.",
                "columns base:NAME beside loss:NAME hold them; dcpt sweep writes them into mixtures.csv",
            )
        if name in missing:
            raise ConfigError(f"against: {name} is asked for; {missing[name]}.")
        return name
    if has_base:
        return BASE
    return next(name for name in (NOW, PROPORTIONAL, CENTRE) if name in mixes)
