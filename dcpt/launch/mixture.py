"""From a plan of a mixture to its run: the sweep's target, or the fitted size, on the planned shares."""

from __future__ import annotations

import math

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.fit.bases import SAME_SIZE
from dcpt.launch.launch import Launch
from dcpt.launch.launch_spec import LaunchedRun, LaunchSpec
from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.sweep.expand import target_run
from dcpt.sweep.prepare import Sweep


def prepare_mixture_launch(
    plan: MixturePlan,
    sweep: Sweep,
    seed: int = 0,
    variant: str | None = None,
    fitted: LossTable | None = None,
) -> Launch:
    """Write down the run of a planned mixture.

    The size is that of the sweep's target, else the one whose runs were fitted; the tokens are those the
    question names, else the target's, else those of the fitted runs.

    Parameters
    ----------
    plan : MixturePlan
        The plan to launch.
    sweep : Sweep
        The sweep it came from.
    seed : int
        Seed of the run.
    variant : str, optional
        Of the sweep's variants the one to launch, where it has several.
    fitted : LossTable, optional
        Losses of the sweep's runs, for the way down to the end.

    Returns
    -------
    Launch
        With a band of expected losses where the run has the size and tokens of the fitted runs, whose losses
        the plan's are (see `fitted_elsewhere`).

    Raises
    ------
    ConfigError
        When the sweep has other corpora, or neither plan nor sweep says size or tokens.
    """
    odd = sorted(set(plan.mixture) ^ set(sweep.design.corpora))
    if odd:
        raise ConfigError(
            f"launch: corpus {odd[0]!r} is not in both; the plan has {', '.join(plan.mixture)}, the sweep "
            f"{', '.join(sweep.design.corpora)}.",
            hint="launch a plan with the sweep its runs come from",
        )
    size, tokens = _size(plan, sweep), _tokens(plan, sweep)
    base = next(run for run in sweep.design.runs if run.run_id == sweep.design.bases[size])
    run = target_run(sweep.design, sweep.spec, size, plan.mixture, tokens, seed, variant)
    spec = LaunchSpec(
        sweep=sweep.spec.name,
        size=size,
        N=sweep.design.rungs[size].N,
        D=run.schedule.steps * run.tokens_per_step,
        seed=seed,
        runs=(LaunchedRun(run_id=run.run_id, r=round(run.r, 6), planned=True, shares=run.shares),),
        flops=sum(sweep.design.flops(one) for one in (base, run)),
    )
    return Launch(spec, (base, run), sweep, None, fitted, plan)


def _size(plan: MixturePlan, sweep: Sweep) -> str:
    if sweep.spec.target is not None:
        return sweep.spec.target.size.name
    rungs = sweep.design.rungs
    if plan.N is None:
        if len(rungs) == 1:
            return next(iter(rungs))
        raise ConfigError(
            "launch: neither the plan nor the sweep says which size to train.",
            hint="give the target's shape and tokens under target in the sweep file",
        )
    matches = [name for name, rung in rungs.items() if abs(math.log(rung.N / plan.N)) <= SAME_SIZE]
    if not matches:
        known = ", ".join(f"{rung.name} ({format_quantity(rung.N)})" for rung in rungs.values())
        raise ConfigError(
            f"launch: the plan is for N = {format_quantity(plan.N)}; the sweep's sizes are {known}.",
            hint="give the target's shape under target.size in the sweep file",
        )
    return matches[0]


def _tokens(plan: MixturePlan, sweep: Sweep) -> float:
    target = sweep.spec.target
    found = plan.question.tokens or (target.tokens if target is not None else plan.D)
    if found is None:
        raise ConfigError(
            "launch: neither the plan nor the sweep says how many tokens to train on.",
            hint="plan with --at D=20B, or give target.tokens in the sweep file",
        )
    return float(found)
