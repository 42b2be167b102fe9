"""Advice for fits of loss curves: fits, a question and runs in; what to buy next, or not to, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.quantity import format_quantity
from dcpt.plan.next_runs.advice import Stop
from dcpt.plan.next_runs.curves.advice import CurveAdvice, CurveOffer
from dcpt.plan.next_runs.curves.answer import Fits, Solved, Solver, slopes
from dcpt.plan.next_runs.curves.choose import cheapest, in_order
from dcpt.plan.next_runs.curves.outlook import Outlook
from dcpt.plan.next_runs.curves.run import CurveRun
from dcpt.plan.next_runs.design import SLACK
from dcpt.plan.next_runs.stopping import SEED_SHARE, StoppingRule

Mask = NDArray[np.bool_]

LEAST_DRAWS = 20
"""Draws from which a deviation is known to a sixth."""

BATCH = 8
"""Runs bought together by default."""

LEAST_SHARED = 0.05
"""Share of a run that earlier purchases have trained from which it is worth a word."""


def advise_curves(
    fits: Fits,
    curves: Mapping[str, Sequence[Curve]],
    solve: Solver,
    runs: Sequence[CurveRun],
    rule: StoppingRule | None = None,
    *,
    answer: str,
    batch: int = BATCH,
    max_flops: float | None = None,
    level: float = 0.9,
    notes: Sequence[str] = (),
) -> CurveAdvice:
    """Say which runs to buy next for an answer that laws of loss curves give.

    To first order in the laws' parameters: the answer is pulled by each (`slopes`), and every run on offer,
    read along its own schedule, tells of each what its losses tell, of which those of a run are alike
    (`Told`). A longer decay, another peak or another mixture is thereby worth what it says of the answer.
    Widths are those of the refits' interval, scaled by the first order.

    Parameters
    ----------
    fits : mapping
        Side to its fit, with bootstrap draws.
    curves : mapping
        Side to the curves it was fitted to.
    solve : Solver
        The question; see `dcpt.plan.next_runs.curves.answer`.
    runs : sequence of CurveRun
        Runs to choose from.
    rule : StoppingRule, optional
        When to stop.
    answer : str
        What the answer is called.
    batch : int
        Most runs to buy together.
    max_flops : float, optional
        Most FLOPs of the batch.
    level : float
        Probability of the interval.
    notes : sequence of str
        To be passed on.

    Raises
    ------
    ConfigError
        When there is no candidate, or a number is out of range.
    PlanError
        When the fits have too few draws, or the money buys no candidate.
    """
    if batch < 1:
        raise ConfigError(f"next runs: batch is {batch}; wanted 1 run or more.")
    if max_flops is not None and not max_flops > 0:
        raise ConfigError(f"next runs: max_flops is {max_flops}; wanted a positive number.")
    if not runs:
        raise ConfigError("next runs: there is no candidate to choose from.")
    rule, money = rule or StoppingRule(), np.inf if max_flops is None else max_flops
    few = min(len(fit.draws) for fit in fits.values())
    if few < LEAST_DRAWS:
        raise PlanError(
            f"next runs: a fit has {few} bootstrap draws; wanted at least {LEAST_DRAWS} for its interval.",
            hint="fit again with --bootstrap 100",
        )
    solved = solve(fits)
    tail = (1 - level) / 2
    lo, hi = (float(end) for end in np.quantile(solved.draws, [tail, 1 - tail]))
    lo, hi = min(lo, solved.value), max(hi, solved.value)
    outlook = Outlook.of(fits, curves, slopes(solve, fits), runs)
    now = float(outlook.variance(outlook.none()))

    def width(variance: float) -> float:
        return (hi - lo) * float(np.sqrt(variance / now)) if now > 0 else hi - lo

    numbers, sets = outlook.with_each(outlook.none())
    alone = [
        _offer(outlook.runs[number], float(cost), now, float(left), width(float(left)))
        for number, cost, left in zip(numbers, outlook.flops(sets), outlook.variance(sets), strict=True)
        if cost <= money
    ]
    if not alone:
        raise PlanError(
            f"next runs: no candidate costs {format_quantity(money)} FLOPs or less.",
            hint="raise --max-flops, or offer cheaper runs with --candidates",
        )
    chosen = outlook.none()
    for slack in (SLACK, min(SLACK, rule.least_shrink)):
        chosen = cheapest(outlook, slack, money)
        if chosen.any():
            break
    steps = in_order(outlook, chosen, batch)
    everything = width(float(outlook.variance(outlook.everything())))
    planned = width(float(outlook.variance(chosen)))
    tolerance = None if solved.regret is None else _tolerance(rule, outlook, solved)
    return CurveAdvice(
        answer=answer,
        value=solved.value,
        lo=lo,
        hi=hi,
        level=level,
        regret=solved.regret,
        tolerance=tolerance,
        everything_width=everything,
        design_width=planned,
        design_flops=float(outlook.flops(chosen)),
        design_runs=int(chosen.sum()),
        ranking=tuple(sorted(alone, key=lambda offer: (-offer.gain, offer.run))),
        batch=tuple(_purchases(outlook, steps, width)),
        stop=_reasons(rule, solved, tolerance, hi - lo, everything, planned, len(runs), max_flops),
        notes=(*notes, *_notes(outlook, solved)),
    )


def _offer(run: CurveRun, cost: float, before: float, after: float, width: float) -> CurveOffer:
    return CurveOffer(run.name, cost, width, (before - after) / cost, run.kind)


def _purchases(outlook: Outlook, steps: Sequence[Mask], width: Callable[[float], float]) -> list[CurveOffer]:
    found, have = [], outlook.none()
    for after in steps:
        number = int(np.flatnonzero(after & ~have)[0])
        cost = float(outlook.flops(after) - outlook.flops(have))
        before, left = (float(outlook.variance(some)) for some in (have, after))
        run = outlook.runs[number]
        shared = 1 - cost / run.flops
        kind = f"{run.kind}; {100 * shared:.0f} % of it is shared" if shared >= LEAST_SHARED else run.kind
        found.append(CurveOffer(run.name, cost, width(left), (before - left) / max(cost, 1e-300), kind))
        have = after
    return found


def _tolerance(rule: StoppingRule, outlook: Outlook, solved: Solved) -> float:
    """Objective not worth a run: a share of what that of one more run would scatter by as a whole."""
    if rule.tolerance is not None:
        return rule.tolerance
    parts = [solved.parts.get(told.fit.side, 0.0) * np.sqrt(told.scatter.common) for told in outlook.told]
    return float(SEED_SHARE * np.hypot.reduce(parts))


def _reasons(
    rule: StoppingRule,
    solved: Solved,
    tolerance: float | None,
    width: float,
    everything: float,
    planned: float,
    offered: int,
    money: float | None,
) -> tuple[Stop, ...]:
    found = []
    if solved.regret is not None and tolerance is not None and solved.regret <= tolerance:
        found.append(
            Stop(
                "regret",
                f"More runs will not change the answer: acting now costs {solved.regret:.2g} of the "
                f"objective on average, no more than the {tolerance:.2g} that are worth a run.",
            )
        )
    least = (1 - rule.least_shrink) * width
    if everything > least or width == 0:
        found.append(
            Stop(
                "shrink",
                f"More runs will not change the answer: all {offered} candidates together are expected to "
                f"leave its interval at {everything:.3g} ({width:.3g} now), less than "
                f"{100 * rule.least_shrink:g} % narrower.",
            )
        )
    elif money is not None and planned > least:
        found.append(
            Stop(
                "shrink",
                f"What {format_quantity(money)} FLOPs buy will not change the answer: the best runs within "
                f"them are expected to leave its interval at {planned:.3g} ({width:.3g} now); all {offered} "
                f"candidates together, at {everything:.3g}.",
            )
        )
    return tuple(found)


def _notes(outlook: Outlook, solved: Solved) -> list[str]:
    found = [
        f"{told.fit.eval_set}: a log loss scatters by {100 * told.scatter.sigma:.2g} %, of which "
        f"{100 * told.scatter.shared:.0f} % of the variance is shared by all losses of a run, and "
        f"{told.scatter.stretch:.2g} readings count as one in the rest."
        for told in outlook.told
    ]
    if not solved.inside:
        found.append(
            "The answer lies at the end of what was compared, where it does not move with the parameters: "
            "what runs tell is read off the refits. Its optimum may lie beyond: compare further values too."
        )
    found.append(
        "The interval is that of the refits: what the law misses on schedules it has not seen is not in it, "
        "and no number of runs of the fitted kinds takes that away."
    )
    return found
