"""Which mixtures to train next: where some draw has its best, a few trained again, or CLIMB's rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.plan.mixtures.outlook import Outlook, look
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.setting import Setting

Array = NDArray[np.float64]
Way = Literal["thompson", "top"]

DRAWS = 128
"""Draws at least; of more than 32 mixtures four draws each."""

APART = 0.02
"""Share of tokens in which two new mixtures differ at least, where there are enough such."""

PER_REPEAT = 8
"""New mixtures for each one trained again, while none ever was."""

TOP = 4
"""The best mixtures that `top` draws from by default, per mixture wanted: CLIMB publishes no number."""


@dataclass(frozen=True)
class Proposal:
    """Mixtures to train next.

    Attributes
    ----------
    corpora : tuple of str
        Names, in the order of the columns of shares.
    shares : ndarray, shape (m, p)
        The mixtures.
    why : tuple of str
        Reason for each.
    regret : float
        Expected regret of stopping now, in the unit of the goal: no number of runs can gain more.
    noise : float
        Standard deviation of the goal between runs of one mixture.
    """

    corpora: tuple[str, ...]
    shares: Array
    why: tuple[str, ...]
    regret: float
    noise: float

    @property
    def pays(self) -> bool:
        """Whether more runs can be expected to gain more than half of what single runs scatter by."""
        return self.regret > 0.5 * self.noise


def draws_for(count: int) -> int:
    """Joint draws that a proposal of so many mixtures needs."""
    return max(DRAWS, 4 * count)


def propose(
    fit: MixtureFit,
    count: int,
    seed: int = 0,
    question: MixtureQuestion | Mapping[str, Any] | None = None,
    way: Way = "thompson",
    top: int | None = None,
    repeats: int | None = None,
) -> Proposal:
    """Propose mixtures for the next runs.

    Parameters
    ----------
    fit : MixtureFit
        The fit to the runs so far.
    count : int
        Mixtures wanted.
    seed : int
        Of the draws.
    question : MixtureQuestion or mapping, optional
        What is minimised over which mixtures; by default what `MixtureQuestion` asks by itself.
    way : {"thompson", "top"}
        ``thompson``: each mixture is the best of one joint draw, so that one is proposed as often as it may
        be the best; ``top``: at random among the best by expectation.
    top : int, optional
        How many of the best, for ``top``.
    repeats : int, optional
        How many of `count` are runs trained again, which measure the noise; by default one in eight while
        no mixture was trained twice, else none.

    Raises
    ------
    ConfigError
        When the numbers make no sense, or the question does not fit.

    References
    ----------
    Kandasamy et al. 2018, Parallelised Bayesian optimisation via Thompson sampling; CLIMB (arXiv:2504.13161).
    """
    again = _repeats(fit, count, repeats)
    check_top(top, way, count - again)
    return choose_next(look(fit, question, seed, draws_for(count)), count, way, top, again)


def check_top(top: int | None, way: Way, new: int) -> None:
    """Refuse a number of the best that is too small, or means nothing.

    Raises
    ------
    ConfigError
        Saying what is wanted.
    """
    if top is not None and way != "top":
        raise ConfigError(f"top is {top} and the way is {way!r}; it is for the way 'top'.")
    if top is not None and top < new:
        raise ConfigError(f"top is {top}; wanted at least {new}, the new mixtures.")


def choose_next(
    outlook: Outlook, count: int, way: Way = "thompson", top: int | None = None, repeats: int = 0
) -> Proposal:
    """Choose the next mixtures by what a fit says; see `propose`."""
    setting, optimum, drawn = outlook.setting, outlook.optimum, outlook.drawn
    problem, seen = setting.problem, setting.fit.shares
    generator = np.random.default_rng([outlook.seed, 17])
    new = count - repeats
    if way == "thompson":
        # The answer itself comes first: a run there tells most about it.
        mixed = drawn.shares[generator.permutation(len(drawn.shares))]
        order = np.vstack([optimum.shares[None], mixed])
        word = "best in a draw"
    else:
        merit = problem.merit(problem.surface.losses(drawn.pool))
        best = _apart(drawn.pool[np.argsort(merit, kind="stable")], seen, top or TOP * new)
        order = best[generator.permutation(len(best))]
        word = f"at random from the best {len(best)}"
    chosen = _apart(order, seen, new)
    old = _trained_again(setting, repeats)
    first = ["best by expectation"] if way == "thompson" and len(chosen) else []
    why = [*first, *[word] * (len(chosen) - len(first)), *["trained again: measures the noise"] * len(old)]
    return Proposal(setting.fit.corpora, np.vstack([chosen, old]), tuple(why), outlook.regret, outlook.noise)


def _repeats(fit: MixtureFit, count: int, repeats: int | None) -> int:
    if count < 1:
        raise ConfigError(f"count is {count}; wanted 1 mixture or more.")
    if repeats is None:
        twice = len(np.unique(fit.shares.round(6), axis=0)) < len(fit.shares)
        return 0 if twice else count // PER_REPEAT
    if not 0 <= repeats <= count:
        raise ConfigError(f"repeats is {repeats}; wanted 0 to {count}, the mixtures in all.")
    return repeats


def _apart(order: Array, seen: Array, count: int) -> Array:
    """The first mixtures of an order that differ from those seen and each other; fewer if there are none."""
    for apart in (APART, APART / 10):
        chosen: list[Array] = []
        for shares in order:
            if len(chosen) == count:
                break
            others = np.vstack([seen, *(item[None] for item in chosen)])
            if 0.5 * np.abs(others - shares).sum(axis=1).min() > apart:
                chosen.append(shares)
        if len(chosen) == count:
            break
    return np.array(chosen).reshape(-1, order.shape[1])


def _trained_again(setting: Setting, count: int) -> Array:
    """Trained mixtures of the least expected goal: noise matters most where the answer is."""
    shares = np.unique(setting.fit.shares, axis=0)
    merit = setting.problem.merit(setting.problem.surface.losses(shares))
    return np.asarray(shares[np.argsort(merit, kind="stable")[:count]])
