"""A plan in words, for a terminal."""

from __future__ import annotations

from dcpt.core.quantity import format_quantity
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.plan import Plan, PredictedLoss


def plan_text(plan: Plan) -> str:
    """Lay out a plan as text: the answer, what it should give, what it rests on, the verdict.

    Parameters
    ----------
    plan : Plan
        The plan.

    Returns
    -------
    str
    """
    level = f"{100 * plan.objective.level:.0f} %"
    lines = [f"Plan: {plan.objective}", ""]
    interval = "" if plan.r_lo is None else f"  {level} interval {plan.r_lo:.3f} to {plan.r_hi:.3f}"
    lines.append(_row("r*", f"{plan.r:.3f}{interval}, replay {plan.replay:.3f}"))
    if plan.kept_at_r is not None:
        lines.append(_row("", f"keeps the ceiling in {100 * plan.kept_at_r:.0f} % of the draws"))
        cautious = (
            f"{plan.r_cautious:.3f} keeps it in at least {level}"
            if plan.r_cautious is not None
            else f"no ratio keeps it in {level} of the draws"
        )
        lines.append(_row("cautious", cautious))
    unit = unit_of_amount(plan.unit)
    lines.append(_row("general", f"{_loss(plan.general, unit)}; ceiling {plan.ceiling:.4f} {unit}"))
    if plan.base is not None:
        lines.append(_row("", f"before: {plan.base.value:.4f} {unit}, {plan.base.how}"))
    lines.append(_row("domain", _loss(plan.domain, unit)))
    lines.append(_row("binds", plan.binding_words))
    domain, general = (format_quantity(plan.cost[f"{side}_tokens"]) for side in ("domain", "general"))
    lines.append(
        _row("cost", f"{plan.cost['flops']:.3g} FLOPs (6 N D); {domain} domain and {general} general tokens")
    )
    for side, law in plan.laws.items():
        lines.append(_row("law", f"{side}: {law.name}, fitted on '{law.eval_set}', {law.status}"))
    if plan.caveats:
        lines.append("")
        lines.extend(f"  {caveat.weight:<6}{caveat.message}" for caveat in plan.caveats)
    return "\n".join([*lines, "", plan.verdict_line])


def _row(name: str, text: str) -> str:
    return f"  {name:<10}{text}".rstrip()


def _loss(loss: PredictedLoss, unit: str) -> str:
    return (
        f"{loss.mean:.4f} {unit}  mean {loss.mean_lo:.4f} to {loss.mean_hi:.4f}, "
        f"a run {loss.obs_lo:.4f} to {loss.obs_hi:.4f}"
    )
