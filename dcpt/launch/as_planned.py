"""Whether a launched run has the size and the tokens of its plan, which whole steps and spelling round."""

from __future__ import annotations

import math

SAME_TARGET = 0.005
"""Relative difference in N and D up to which a run counts as the planned one: half a unit of the third
digit, which is how they are printed and typed."""


def same_size(planned: float, N: float) -> bool:
    """Whether two sizes are one, spelled."""
    return abs(math.log(N / planned)) <= SAME_TARGET


def same_tokens(planned: float, D: float, step: float) -> bool:
    """Whether a run's tokens are the planned ones, as spelled or rounded to whole optimizer steps.

    Parameters
    ----------
    planned : float
        Tokens of the plan.
    D, step : float
        Tokens of the run, and the optimizer step at which it had them: ``D / step`` tokens a step. A table
        without steps counts every token as one.
    """
    if abs(math.log(D / planned)) <= SAME_TARGET:
        return True
    # One step says nothing of how tokens were rounded.
    return step >= 2 and round(planned * step / D) == round(step)
