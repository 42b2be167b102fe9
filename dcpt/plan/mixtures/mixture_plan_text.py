"""A plan of a mixture in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap

from dcpt.plan.mixtures.compared import Compared
from dcpt.plan.mixtures.make_region import spoken
from dcpt.plan.mixtures.mixture_frames import beside
from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.plan.mixtures.names import short_names
from dcpt.plan.mixtures.scatter_words import noise_words
from dcpt.plan.mixtures.setting import PROPORTIONAL

SMALL = 0.0005
"""Shares that round to nothing in three digits: such corpora stand in one line."""


def mixture_plan_text(plan: MixturePlan) -> str:
    """Lay out a plan: the mixture, what it should give, what binds, what stands beside it, the verdict."""
    targets = [item.target for item in plan.losses]
    question = spoken(plan.question, list(plan.mixture), targets)
    lines = [f"Plan: {question}", "", *_shares(plan), "", *_losses(plan)]
    lines += [*_prices(plan), "", *_compared(plan), *_alike(plan)]
    scores = plan.held_out
    lines += [
        "",
        f"  fit       {plan.predictor}; on {scores.runs} runs left out: error {scores.mae:.4f}, "
        f"R2 {scores.r2:.3f}, rank {scores.spearman:.3f},",
        f"            regret of the run predicted best {scores.regret:.4f}, best predictions too good by "
        f"{scores.optimism:+.4f}, 90 % intervals hold {100 * scores.coverage:.0f} %",
        f"  reach     {100 * plan.reach.nearest:.0f} % of the tokens differ from the nearest run "
        f"(usual between runs: up to {100 * plan.reach.usual:.0f} %)",
    ]
    if any(limit.needs_base for limit in plan.question.limits) or plan.question.minimise == "worst":
        lines.append(f"  against   what is relative is measured from: {plan.reference}")
    if plan.caveats:
        lines += ["", *(f"  {item.weight:<6}{item.message}" for item in plan.caveats)]
    return "\n".join([*lines, "", plan.verdict_line])


def _shares(plan: MixturePlan) -> Iterator[str]:
    names = dict(zip(plan.mixture, short_names(list(plan.mixture)), strict=True))
    known = {item.name: item.shares for item in plan.compared if item.shares is not None}
    other = known.get(beside(plan)) or {}
    width = max(8, *(len(name) for name in names.values()))
    epochs = any(item.epochs is not None for item in plan.shares)
    label = PROPORTIONAL if beside(plan) == PROPORTIONAL else "runs' mean"
    level = f"{100 * plan.question.level:g} %"
    head = f"  {'corpus':<{width}}{label:>13}{'answer':>9}  {level} interval   not told apart"
    yield f"{head}{'  epochs' if epochs else ''}  binds"
    binding = {name: item.text for item in plan.prices for name in item.corpora}
    rest = []
    for item in sorted(plan.shares, key=lambda one: -one.share):
        if item.share < SMALL and item.hi < 0.05 and item.corpus not in binding:
            rest.append(names[item.corpus])
            continue
        passes = f"{'-' if item.epochs is None else f'{item.epochs:.2f}':>8}" if epochs else ""
        yield (
            f"  {names[item.corpus]:<{width}}{other.get(item.corpus, 0.0):>13.3f}{item.share:>9.3f}  "
            f"{_ends(item.lo, item.hi)}   {_ends(item.alike_lo, item.alike_hi)}{passes}  "
            f"{binding.get(item.corpus, '')}"
        ).rstrip()
    if rest:
        yield f"  none or hardly any of {', '.join(rest)}"


def _losses(plan: MixturePlan) -> Iterator[str]:
    level = f"{100 * plan.question.level:g} %"
    yield (
        f"  goal      {plan.value:.4f}  {level} interval {plan.lo:.4f} to {plan.hi:.4f}; "
        f"{noise_words(plan.noise)}"
    )
    yield (
        f"  regret    {plan.regret:.4f} expected against knowing the best mixture, up to "
        f"{max(plan.regret, plan.regret_hi):.4f}"
    )
    names = dict(
        zip((item.target for item in plan.losses), short_names([i.target for i in plan.losses]), strict=True)
    )
    if len(plan.losses) > 1 or plan.losses[0].text:
        width = max(len(name) for name in names.values())
        for item in plan.losses:
            limit = (
                ""
                if item.ceiling is None
                else f"; limit {item.ceiling:.4f}, kept in {100 * (item.kept or 0):.0f} %"
            )
            yield (
                f"            {names[item.target]:<{width}}  {item.mean:.4f} "
                f"({item.lo:.4f} to {item.hi:.4f}), a run {item.run_lo:.4f} to {item.run_hi:.4f}{limit}"
            )


def _prices(plan: MixturePlan) -> Iterator[str]:
    if plan.question.shares or plan.question.limits or plan.question.replay or plan.question.pools:
        cost = plan.optimum.value - plan.free.value
        yield f"  free      without rules and limits {plan.free.value:.4f}: they cost {cost:.4f}"
    for item in plan.prices:
        rate = "" if item.multiplier is None else f" ({item.multiplier:.3g} per unit at the margin)"
        yield f"  binds     {item.text}: relaxed by {item.relaxed} the goal moves by {item.change:+.5f}{rate}"
    if plan.cautious is not None:
        level = f"{100 * plan.question.level:g} %"
        yield f"  cautious  keeping every limit in {level} of the draws: goal {plan.cautious.value:.4f}, with"
        yield from (f"            {line}" for line in _all_shares(plan.cautious.shares))
    elif plan.question.limits:
        yield f"  cautious  no mixture keeps every limit in {100 * plan.question.level:g} %"


def _compared(plan: MixturePlan) -> Iterator[str]:
    yield f"  {'beside it':<20}{'goal':>9}{'difference':>12}  interval             beaten"
    for item in plan.compared:
        if item.value is None:
            yield f"  {item.name:<20}{'-':>9}  {item.note}"
            continue
        yield f"  {item.name:<20}{item.value:>9.4f}{item.difference:>+12.4f}  {_told(item)}"


def _told(item: Compared) -> str:
    measured = "" if item.measured is None else f"; measured {item.measured:.4f}"
    broken = "" if item.allowed else "; breaks a rule or limit"
    same = ", not told apart" if item.alike else ""
    return f"{item.lo:+.4f} to {item.hi:+.4f}   {100 * (item.beaten or 0):>4.0f} %{same}{measured}{broken}"


def _alike(plan: MixturePlan) -> Iterator[str]:
    names = dict(zip(plan.mixture, short_names(list(plan.mixture)), strict=True))
    if not plan.alike:
        return
    yield "  cannot be told from the answer, too (in some draws worse by no more than runs scatter):"
    for item in plan.alike:
        largest = sorted(item.shares.items(), key=lambda pair: -pair[1])[:4]
        told = ", ".join(f"{names[name]} {share:.2f}" for name, share in largest if share >= 0.01)
        yield f"    {told}, ...: {item.difference:+.4f} ({item.lo:+.4f} to {item.hi:+.4f})"


def _all_shares(shares: Mapping[str, float]) -> list[str]:
    """Every share that does not round to nothing, the greatest first, in lines of a terminal's width."""
    names = dict(zip(shares, short_names(list(shares)), strict=True))
    known = sorted(shares.items(), key=lambda pair: -pair[1])
    return wrap(", ".join(f"{names[name]} {share:.3f}" for name, share in known if share >= SMALL), 96)


def _ends(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"
