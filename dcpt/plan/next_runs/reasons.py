"""Reasons to stop, and what else a reader should know, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dcpt.core.quantity import format_quantity
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.find_caveats import EDGE, at_edge
from dcpt.plan.next_runs.advice import Offer, Stop
from dcpt.plan.next_runs.belief import Belief
from dcpt.plan.next_runs.stopping import LAW_SHARE, Baseline, StoppingRule

ENOUGH_RUNS = 18
"""Runs from which expected widths are met within a fifth, root mean square, on law_cpu
(`python -m benchmarks.next_runs_promise`)."""


def reasons(
    rule: StoppingRule,
    belief: Belief,
    regret: float,
    tolerance: float,
    everything: float,
    offered: int,
    rivals: Sequence[Baseline],
    level: float,
    affordable: tuple[float, float] | None = None,
) -> tuple[Stop, ...]:
    """Why to buy nothing more; empty when buying is worth it.

    Parameters
    ----------
    rule : StoppingRule
        The rules.
    belief : Belief
        What is known.
    regret, tolerance : float
        Expected regret of acting now, and the one that is not worth a run.
    everything : float
        Width of the interval after one of every run on offer.
    offered : int
        Number of candidates.
    rivals : sequence of Baseline
        Ratios one could take without a law.
    level : float
        Probability of the interval.
    affordable : tuple of float, optional
        Where there is a budget, its FLOPs and the width after the best runs it buys.
    """
    unit, width = unit_of_amount(belief.unit), belief.width
    edge = edge_sentence(belief)
    what = "More runs at the ratios searched will" if edge else "More runs will"
    found = []
    if regret <= tolerance:
        found.append(
            Stop(
                "regret",
                f"{what} not change the answer: acting now costs {regret:.2g} {unit} on average, no "
                f"more than the {tolerance:.2g} that are worth a run.",
            )
        )
    if everything > (1 - rule.least_shrink) * width:
        found.append(
            Stop(
                "shrink",
                f"{what} not change the answer: all {offered} candidates together are expected to "
                f"leave the interval of r* at {everything:.3f} ({width:.3f} now), less than "
                f"{100 * rule.least_shrink:g} % narrower.",
            )
        )
    elif affordable is not None and affordable[1] > (1 - rule.least_shrink) * width:
        found.append(
            Stop(
                "shrink",
                f"What {format_quantity(affordable[0])} FLOPs buy will not change the answer: the best runs "
                f"within them are expected to leave the interval of r* at {affordable[1]:.4f} ({width:.4f} "
                f"now), less than {100 * rule.least_shrink:g} % narrower; all {offered} candidates together, "
                f"at {everything:.4f}.",
            )
        )
    if rule.decision and rivals and all(rival.beaten >= level for rival in rivals):
        names = ", ".join(rival.name for rival in rivals)
        found.append(
            Stop(
                "decision",
                f"More runs will not change the decision: r* is better than {names} in {100 * level:g} % of "
                "the draws or more.",
            )
        )
    if found and edge:
        found[-1] = replace(found[-1], message=f"{found[-1].message} {edge}")
    return tuple(found)


def edge_sentence(belief: Belief) -> str:
    """Where the planned ratio is an end of the searched ones: what could not be seen, and what would show it.

    Empty where it lies between them.
    """
    low, high = float(belief.grid[0]), float(belief.grid[-1])
    if not at_edge(belief.r, (low, high)):
        return ""
    highest = abs(belief.r - high) < abs(belief.r - low)
    place, beyond, pure = ("highest", "above", 1.0) if highest else ("lowest", "below", 0.0)
    end = high if highest else low
    if abs(end - pure) < 2 * EDGE:  # ratios are searched up to a thousandth from a pure mixture
        return f"r* is {end:g}, all but one side alone: no ratio worth a run lies beyond it."
    fitted = [fit.ranges["r"] for fit in belief.fits.values()]
    wider = all(hi > end + EDGE if highest else lo < end - EDGE for lo, hi in fitted)
    advice = (
        f"the objective keeps the search from the fitted ratios {beyond} it; lift that and ask again"
        if wider
        else f"runs at ratios {beyond} {end:g} are what to buy; then fit and ask again"
    )
    return (
        f"But r* is the {place} ratio searched ({low:g} to {high:g}), and its interval knows nothing "
        f"of those {beyond} {end:g}, where the optimum may lie: {advice}."
    )


def notes(
    belief: Belief, law_share: float, ranking: Sequence[Offer], runs: int, schedules: int = 0
) -> tuple[str, ...]:
    """What else a reader should know, of fits to so many runs of so many schedules."""
    found = []
    if runs < ENOUGH_RUNS and belief.width > 0:
        found.append(
            f"Expected widths are rough with {runs} runs: the interval of so few depends on which they were, "
            "and refits after a purchase missed what was expected by a factor of 2 either way; from "
            f"{ENOUGH_RUNS} runs on by a fifth."
        )
    if schedules > 1:
        found.append(
            f"The fitted losses are of {schedules} schedules, which these laws do not see: what a schedule "
            "changes counts as scatter, and no candidate is valued for its schedule. Fits of the loss curves "
            "see it (dcpt fit CURVES --law auto-curve, then dcpt next --schedule)."
        )
    error = belief.law_error
    if error is not None and law_share >= LAW_SHARE:
        larger = [offer for offer in ranking if max(offer.candidate.sizes) > error.top["N"] * (1 + 1e-9)]
        best = min(larger, key=lambda offer: offer.width, default=None)
        if not error.extrapolates:
            what = (
                "scatter about the law inside its range, which neither repeats nor other ratios narrow much"
            )
        elif best is None or best.width >= belief.width:
            what = "extrapolation; a larger size than the candidates' would narrow it, repeats do not"
        else:
            what = (
                f"extrapolation; repeats leave it, a larger size leaves {best.width:.3f} ({best.candidate})"
            )
        found.append(
            f"The law's error, not the runs, makes {100 * law_share:.0f} % of r*'s variance: {what}."
        )
    unknown = [noise for noise in belief.noise.values() if noise.seeds is None]
    if unknown:
        found.append(
            "No run was repeated with another seed, so the noise of a run is not known: the scatter about "
            f"the law ({100 * unknown[0].sigma:.2g} %) stands in for it. Two or three repeats of the "
            "cheapest runs measure it."
        )
    if any(cell.decay_share is not None for offer in ranking for cell in offer.candidate.cells):
        found.append(
            "Candidates with a decay_share of their own differ in price only: the laws do not see the "
            "schedule, so runs of another schedule should not be fitted together with these."
        )
    if belief.slope == 0:
        found.append("No limit binds: the ratio is where the loss has its minimum or the range ends.")
    return tuple(found)
