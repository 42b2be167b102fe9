"""Mixtures that an answer has to beat: in use, proportional, uniform, the best seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.mixtures.alike import paired
from dcpt.plan.mixtures.drawn import Drawn
from dcpt.plan.mixtures.setting import SEEN, Setting

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """A mixture beside the answer.

    Attributes
    ----------
    name : str
        Which mixture.
    shares : mapping of str to float, or None
        Its shares; None where it is not known, and then nothing else is.
    value : float or None
        The goal predicted there.
    measured : float or None
        The goal measured there, of the best run seen.
    difference, lo, hi : float or None
        Goal less the answer's; its interval over paired draws.
    beaten : float or None
        Share of the draws in which the answer is better.
    allowed : bool or None
        Whether it keeps the rules on shares and, by the means, the limits.
    alike : bool
        Whether it is allowed and cannot be told from the answer: the lower end is not above the noise of
        one run.
    note : str
        Why it is not known.
    """

    name: str
    shares: Mapping[str, float] | None = None
    value: float | None = None
    measured: float | None = None
    difference: float | None = None
    lo: float | None = None
    hi: float | None = None
    beaten: float | None = None
    allowed: bool | None = None
    alike: bool = False
    note: str = ""


def compare(
    setting: Setting, answer: Array, drawn: Drawn, noise: float, count: int, seed: int
) -> tuple[Compared, ...]:
    """Every mixture compared with, the mixture in use first.

    Parameters
    ----------
    setting : Setting
        The question put to the fit.
    answer : ndarray, shape (p,)
        The answer.
    drawn : Drawn
        Its draws, of the same count and seed.
    noise : float
        Standard deviation of the goal between runs of one mixture.
    count, seed : int
        Of the draws.
    """
    problem = setting.problem
    names = list(setting.mixes)
    shares = np.stack([setting.mixes[name] for name in names])
    losses = problem.surface.losses(shares)
    value = problem.goal.value(losses)
    here = float(problem.goal.value(problem.surface.losses(answer[None]))[0])
    difference = problem.goal.value(problem.surface.draws(shares, count, seed)) - drawn.goal[:, :1]
    lo, hi = paired(difference, setting.question.level)
    allowed = problem.region.contains(shares, 1e-6) & problem.keeps(losses)
    found = []
    for at, name in enumerate(names):
        measured = problem.goal.value(setting.measured[setting.best_row]) if name == SEEN else None
        found.append(
            Compared(
                name=name,
                shares=by_name(shares[at], problem.surface.corpora),
                value=float(value[at]),
                measured=None if measured is None else float(measured),
                difference=float(value[at]) - here,
                lo=float(lo[at]),
                hi=float(hi[at]),
                beaten=float((difference[:, at] > 0).mean()),
                allowed=bool(allowed[at]),
                alike=bool(allowed[at] and lo[at] <= noise),
            )
        )
    return (*found, *(Compared(name, note=reason) for name, reason in setting.missing.items()))


def by_name(shares: Array, corpora: tuple[str, ...]) -> dict[str, float]:
    """Shares by corpus, to nine digits."""
    return {name: round(float(share), 9) for name, share in zip(corpora, shares, strict=True)}
