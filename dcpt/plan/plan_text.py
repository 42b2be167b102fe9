"""A plan in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from dcpt.core.quantity import format_quantity
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.bands import PredictedLoss
from dcpt.plan.baselines import Baseline, standing
from dcpt.plan.plan import Plan
from dcpt.plan.plan_tables import size_lines, spending
from dcpt.plan.supply.answer import Price

_LEAST_PRICE = 5e-6
"""Prices below half of the last digit shown are left out."""


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
    lines = [f"Plan: {plan.objective}", "", *_answer(plan), *_losses(plan)]
    lines.append(_row("binds", plan.binding_words))
    lines += [
        _row("", f"1 % more of the {_constraint(item)} moves the objective by {item.per_percent:+.5f}")
        for item in plan.prices
        if abs(item.per_percent) >= _LEAST_PRICE
    ]
    domain, general = (format_quantity(plan.cost[f"{side}_tokens"]) for side in ("domain", "general"))
    lines.append(
        _row("cost", f"{plan.cost['flops']:.3g} FLOPs (6 N D); {domain} domain and {general} general tokens")
    )
    budget = plan.objective.budget
    spent = spending(plan.cost, None if budget is None else budget.hardware)
    if spent:
        lines.append(_row("", spent))
    passes = [f"{times:.2f} of the {side} pool" for side, times in plan.epochs.items()]
    if passes:
        lines.append(_row("epochs", ", ".join(passes)))
    for side, law in plan.laws.items():
        lines.append(_row("law", f"{side}: {law.name}, fitted on '{law.eval_set}', {law.status}"))
    sizes = list(size_lines(plan))
    if sizes:
        lines += ["", *sizes]
    if plan.baselines:
        lines += ["", *_baselines(plan)]
    if plan.caveats:
        lines.append("")
        lines.extend(f"  {caveat.weight:<6}{caveat.message}" for caveat in plan.caveats)
    return "\n".join([*lines, "", plan.verdict_line])


def _answer(plan: Plan) -> Iterator[str]:
    level = f"{100 * plan.objective.level:g} %"
    interval = "" if plan.r_lo is None else f"  {level} interval {plan.r_lo:.3f} to {plan.r_hi:.3f}"
    yield _row("r*", f"{plan.r:.3f}{interval}, replay {plan.replay:.3f}")
    for name, value, asked in (("N*", plan.N, plan.objective.N), ("D*", plan.D, plan.objective.D)):
        if asked is None:
            ends = plan.intervals.get(name[0])
            spread = "" if ends is None else "  interval " + " to ".join(format_quantity(end) for end in ends)
            yield _row(name, f"{format_quantity(value)}{spread}")
    if plan.kept_at_r is not None and plan.limits:
        what, it = ("the ceiling", "it") if len(plan.limits) == 1 else ("every ceiling", "them")
        yield _row("", f"keeps {what} in {100 * plan.kept_at_r:.0f} % of the draws")
        if plan.r_cautious is not None:
            tokens = "" if plan.D_cautious is None else f" on {format_quantity(plan.D_cautious)} tokens"
            yield _row("cautious", f"{plan.r_cautious:.3f}{tokens} keeps {it} in at least {level}")
        else:
            run = "no run of this size" if plan.objective.is_free else "no ratio"
            yield _row("cautious", f"{run} keeps {it} in {level} of the draws")


def _losses(plan: Plan) -> Iterator[str]:
    unit = unit_of_amount(plan.unit)
    limits = {item.label: item for item in plan.limits}
    for label, loss in plan.losses.items():
        text = _loss(loss, unit)
        if label in limits:
            text += f"; ceiling {limits[label].ceiling:.4f} {unit}"
        yield _row(plan.name_of(label), text)
        if label in plan.bases:
            base = plan.bases[label]
            yield _row("", f"before: {base.value:.4f} {unit}, {base.how}")
    if len(plan.limits) > 1:
        for item in plan.limits:
            edge = "kept by no ratio" if item.r_edge is None else f"alone allows r up to {item.r_edge:.3f}"
            yield _row("limit", f"{item.text}: {edge}{', binds' if item.binds else ''}")


def _baselines(plan: Plan) -> Iterator[str]:
    stands = [standing(item) for item in plan.baselines]
    width = max(len("the answer is"), *(len(text) for text in stands))
    yield f"  {'beside it':<16}{'r':>6}{'objective':>11}  {'the answer is':<{width}}  limits"
    for item, text in zip(plan.baselines, stands, strict=True):
        if item.r is None or item.value is None or item.difference is None:
            yield f"  {item.name:<16}{'-':>6}  {item.note}"
            continue
        yield (
            f"  {item.name:<16}{item.r:>6.3f}{item.value:>11.4f}  {text:<{width}}  {_kept(item, plan)}"
            f"{f' ({item.note})' if item.note else ''}"
        )


def _kept(item: Baseline, plan: Plan) -> str:
    if not plan.limits:
        return "broken" if item.keeps is False else "none"
    if item.kept is None:
        return "kept" if item.keeps else "broken"
    return f"{'kept' if item.keeps else 'broken, kept'} in {100 * item.kept:.0f} %"


def _constraint(price: Price) -> str:
    return price.constraint if not price.name else f"{price.constraint} ({price.name})"


def _row(name: str, text: str) -> str:
    return f"  {name:<9} {text}".rstrip()


def _loss(loss: PredictedLoss, unit: str) -> str:
    return (
        f"{loss.mean:.4f} {unit}  mean {loss.mean_lo:.4f} to {loss.mean_hi:.4f}, "
        f"a run {loss.obs_lo:.4f} to {loss.obs_hi:.4f}"
    )
