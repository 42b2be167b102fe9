"""Where the held-out losses of a launched mixture are expected: the plan's intervals, target by target."""

from __future__ import annotations

from dcpt.core.loss_table import LossTable
from dcpt.core.run_spec import RunSpec
from dcpt.launch.band import BandRow, Expected, band_rows
from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.sweep.mixture_rows import eval_set_of

METRIC, UNIT = "loss", "nats_per_token"
"""What a sweep of mixtures measures, and what its plans are about."""

_ALL = 10**9
"""Every mixture has a ratio of its own, so that none are nearest: all runs tell of the way down."""


def mixture_band(plan: MixturePlan, run: RunSpec, N: float, fitted: LossTable | None) -> list[BandRow]:
    """Intervals for the evaluations of the run of a planned mixture, of the plan's own size and tokens.

    Parameters
    ----------
    plan : MixturePlan
        The plan; its losses are those of runs of this size and these tokens.
    run : RunSpec
        The launched run.
    N : float
        Its size.
    fitted : LossTable, optional
        Losses of the sweep's runs; without them only the end has an interval.
    """
    sets = eval_set_of(run.mixture.roles)
    expected = [
        Expected(sets[item.target], item.run_lo, item.mean, item.run_hi)
        for item in plan.losses
        if item.target in sets
    ]
    D = run.schedule.steps * run.tokens_per_step
    return band_rows(expected, run, (N, D, run.r), METRIC, plan.question.level, fitted, _ALL)
