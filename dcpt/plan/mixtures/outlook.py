"""What a fit says of a question: the best mixture of the means, and that of every joint draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.plan.mixtures.drawn import Drawn, DrawnProblem, draw_answers
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.setting import Setting, make_setting
from dcpt.plan.mixtures.solve import Best, solve


@dataclass(frozen=True, eq=False)
class Outlook:
    """A question put to a fit and solved.

    Attributes
    ----------
    setting : Setting
        The question, made ready.
    optimum : Best
        The best mixture of the means.
    asked : DrawnProblem
        The problem in each draw.
    drawn : Drawn
        Its answers; the first mixture looked at is the optimum.
    seed : int
        Of pool and draws.
    """

    setting: Setting
    optimum: Best
    asked: DrawnProblem
    drawn: Drawn
    seed: int

    @property
    def regret(self) -> float:
        """Expected loss of the goal at the optimum against knowing the best: no number of runs gains more."""
        return float(self.drawn.regret.mean())

    @property
    def noise(self) -> float:
        """Standard deviation of the goal between runs of the optimum."""
        problem, at = self.setting.problem, self.optimum.shares[None]
        return float(problem.goal.spread(problem.surface.losses(at), problem.surface.noise(at))[0])


def look(
    fit: MixtureFit, question: MixtureQuestion | Mapping[str, Any] | None, seed: int, draws: int
) -> Outlook:
    """Solve a question for the means and for joint draws of the predictor.

    Parameters
    ----------
    fit : MixtureFit
        The fit.
    question : MixtureQuestion or mapping, optional
        What is asked; by default what `MixtureQuestion` asks by itself.
    seed : int
        Of the mixtures looked at and of the draws.
    draws : int
        Joint draws.

    Raises
    ------
    ConfigError
        When the question names what is not there or contradicts itself.
    PlanError
        When no mixture keeps the limits; the nearest that can be kept is said.
    """
    if not isinstance(question, MixtureQuestion):
        question = MixtureQuestion.of(question or {})
    setting = make_setting(fit, question, seed)
    optimum = solve(setting.problem, setting.pool)
    asked = DrawnProblem.of(setting.problem, draws, seed, setting.reference_shares, setting.relative)
    drawn = draw_answers(asked, np.asarray(optimum.shares), setting.pool)
    return Outlook(setting, optimum, asked, drawn, seed)
