"""An outlook where limits cannot be kept: the question with the nearest limits that can."""

from __future__ import annotations

import numpy as np

from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.plan.limit import Limit
from dcpt.plan.mixtures.outlook import Outlook, look
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.setting import make_setting
from dcpt.plan.mixtures.solve import OutOfReachError

SLACK = 1e-4
"""Relative room above the least losses that were found, so that a mixture is left to choose."""


def look_within_reach(
    fit: MixtureFit, question: MixtureQuestion, seed: int, draws: int
) -> tuple[Outlook, str]:
    """As `look`; where no mixture keeps the limits, with those that the nearest mixture keeps.

    Parameters
    ----------
    fit : MixtureFit
        The fit.
    question : MixtureQuestion
        What is asked.
    seed, draws : int
        As in `look`.

    Returns
    -------
    Outlook, str
        And why limits were raised; empty where they were not.
    """
    try:
        return look(fit, question, seed, draws), ""
    except OutOfReachError as error:
        reason, least = error.message, error.nearest
    problem = make_setting(fit, question, seed).problem
    losses = least.losses[list(problem.columns)]
    raised = np.maximum(problem.ceilings, losses * (1 + SLACK))
    keep = tuple(
        Limit(eval_set=problem.surface.targets[column], kind="ceiling", amount=float(most))
        for column, most in zip(problem.columns, raised, strict=True)
    )
    return look(fit, question.model_copy(update={"keep": keep}), seed, draws), reason
