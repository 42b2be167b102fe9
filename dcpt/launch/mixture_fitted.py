"""For which runs the losses of a plan of many corpora are, and which plan it is."""

from __future__ import annotations

from dcpt.core import files
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import RunSpec
from dcpt.launch.as_planned import same_size, same_tokens
from dcpt.plan.mixtures.mixture_plan import MixturePlan


def fitted_elsewhere(plan: MixturePlan, N: float, run: RunSpec) -> str:
    """What to say of a plan's losses beside a run of another size or length; empty for the same.

    A plan from a table without sizes or tokens does not know whose losses it has.

    Parameters
    ----------
    plan : MixturePlan
        The plan.
    N : float
        Size of the run.
    run : RunSpec
        The run.
    """
    unknown = [what for what, known in (("size", plan.N), ("tokens", plan.D)) if known is None]
    if unknown:
        whose = f"the {' and '.join(unknown)} of the runs its losses are of"
        return f"the plan does not know {whose}; what carries over is its shares"
    steps = run.schedule.steps
    other = []
    if plan.N is not None and not same_size(plan.N, N):
        other.append(f"{format_quantity(plan.N)} parameters")
    if plan.D is not None and not same_tokens(plan.D, steps * run.tokens_per_step, steps):
        other.append(f"{format_quantity(plan.D)} tokens")
    return (
        f"the plan's losses are those of {' and '.join(other)}; what carries over is its shares"
        if other
        else ""
    )


def plan_fingerprint(plan: MixturePlan) -> str:
    """Hash of a plan, named by what is held against it."""
    return files.content_hash(plan.to_dict())
