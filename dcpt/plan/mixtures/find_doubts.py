"""What speaks against leaning on a mixture: found from the parts of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dcpt.plan.caveat import Caveat, CaveatKind, Weight, in_order
from dcpt.plan.mixtures.compared import Compared
from dcpt.plan.mixtures.mixture_plan import CorpusShare, HeldOutScores, TargetLoss
from dcpt.plan.mixtures.reach import Reach
from dcpt.plan.mixtures.scatter_words import is_known, spell_noise
from dcpt.plan.mixtures.setting import CENTRE, NOW, PROPORTIONAL, SEEN, Setting

OFTEN = 0.1
"""Share of infeasible draws worth a caveat; above one half the answer is open."""

OPEN = 0.5
"""Width of a share's interval from which the runs do not say how much of the corpus to take."""

COVERED = (0.85, 0.97)
"""Coverage of 90 % intervals on held-out runs outside of which they are said to be off."""

MANY_RUNS = 100
"""Held-out runs below which intervals are widened on purpose, and too much coverage is no fault."""

LEAST_R2 = 0.5
"""Held-out R2 below which the mixture explains little of the losses."""

MANY_EPOCHS = 4.0
"""Passes over a pool up to which repeated tokens were found to be worth nearly as much as unique ones
(Muennighoff et al. 2023, arXiv:2305.16264)."""


def find_doubts(
    setting: Setting,
    shares: Sequence[CorpusShare],
    losses: Sequence[TargetLoss],
    compared: Sequence[Compared],
    reach: Reach,
    held_out: HeldOutScores,
    infeasible: float,
    gain: float | None,
    noise: float,
) -> tuple[Caveat, ...]:
    """Every reason for doubt, the heaviest first.

    Parameters
    ----------
    gain : float, optional
        Expected goal of the mixture in use (or the best seen) less the answer's; None where it breaks limits.
    noise : float
        Standard deviation of the goal between runs of one mixture.
    """
    return in_order(
        [
            *_alike(compared, noise),
            *_reach(reach, shares),
            *_limits(losses, infeasible, setting.question.level),
            *_fit(setting, held_out, gain),
            *_idle_pools(setting),
            *_repetition(setting, shares),
        ]
    )


def _alike(compared: Sequence[Compared], noise: float) -> Iterator[Caveat]:
    """A mixture in use decides about changing it; else the best of the known ones does."""
    in_use = any(item.name == NOW and item.shares is not None for item in compared)
    for item in compared:
        if not (item.alike and item.allowed) or item.name == CENTRE or item.difference is None:
            continue
        decides = item.name == NOW if in_use else True
        kind: CaveatKind = "not_told_apart" if item.name == NOW else "baseline_not_told_apart"
        yield Caveat(kind, "doubt" if decides else "note", _as_good(item, noise))


def _as_good(item: Compared, noise: float) -> str:
    """Why there is no reason to leave a mixture for the answer; `Compared.alike` has the rule."""
    name = item.name if item.name in (NOW, SEEN) else f"{item.name} mixture"
    difference = f"{item.difference:+.4f} ({item.lo:+.4f} to {item.hi:+.4f})"
    if item.lo is not None and item.lo > 0:
        return (
            f"The answer is better than the {name}, by {difference}, which may be less than single runs "
            f"scatter: {spell_noise(noise)}."
        )
    scatter = f"single runs scatter by {spell_noise(noise)}"
    if not is_known(noise):
        scatter = "how much single runs scatter is not known"
    return f"The {name} cannot be told from the answer: its goal differs by {difference}, and {scatter}."


def _reach(reach: Reach, shares: Sequence[CorpusShare]) -> Iterator[Caveat]:
    if reach.beyond:
        at = {item.corpus: item for item in shares}
        told = ", ".join(
            f"{name} {at[name].share:.3f} (seen up to {at[name].seen:.3f})" for name in reach.beyond
        )
        yield Caveat("never_seen", "doubt", f"Shares lie beyond those of every run: {told}.")
    if reach.nearest > reach.usual:
        yield Caveat(
            "far_from_runs",
            "doubt",
            f"{100 * reach.nearest:.0f} % of the tokens differ from the nearest run; 95 % of the runs have "
            f"one within {100 * reach.usual:.0f} %.",
        )
    wide = [item for item in shares if item.hi - item.lo > OPEN]
    if wide:
        told = ", ".join(f"{item.corpus} ({item.lo:.2f} to {item.hi:.2f})" for item in wide[:3])
        yield Caveat("shares_open", "doubt", f"The draws disagree how much is best of {told}.")


def _limits(losses: Sequence[TargetLoss], infeasible: float, level: float) -> Iterator[Caveat]:
    if infeasible > OFTEN:
        yield Caveat(
            "often_infeasible",
            "open" if infeasible > 0.5 else "doubt",
            f"In {100 * infeasible:.0f} % of the draws no mixture keeps the limits.",
        )
    for item in losses:
        if item.kept is not None and item.kept < level:
            yield Caveat(
                "limit_at_edge",
                "note",
                f"'{item.text}' is kept in {100 * item.kept:.0f} % of the draws; the cautious mixture keeps "
                f"it in {100 * level:g} %.",
            )


def _fit(setting: Setting, held_out: HeldOutScores, gain: float | None) -> Iterator[Caveat]:
    if held_out.r2 < LEAST_R2:
        yield Caveat(
            "poor_fit", "open", f"On runs left out the fit explains little: R2 is {held_out.r2:.2f}."
        )
    if held_out.coverage < COVERED[0] or (held_out.coverage > COVERED[1] and held_out.runs >= MANY_RUNS):
        yield Caveat(
            "coverage",
            "doubt",
            f"90 % intervals hold {100 * held_out.coverage:.0f} % of the runs left out.",
        )
    if gain is not None and held_out.optimism > 0.5 * max(gain, 0.0):
        yield Caveat(
            "optimistic",
            "doubt",
            f"Of runs left out, those predicted best came out {held_out.optimism:.4f} higher than predicted; "
            f"the gain expected here is {gain:.4f}.",
        )
    shares = setting.fit.shares
    if len({tuple(row) for row in shares.round(6)}) == len(shares):
        yield Caveat(
            "noise_not_measured",
            "note",
            "No mixture was trained twice, so that the noise of single runs is not measured; a few repeats "
            "(mixtures.repeats in a sweep file) would tell it.",
        )
    for text in setting.fit.warnings:
        yield Caveat("fit_warning", "doubt", text if text.endswith(".") else f"{text}.")


def _idle_pools(setting: Setting) -> Iterator[Caveat]:
    question = setting.question
    if question.pools and question.tokens is None:
        # With every pool known they are at least a mixture to compare with.
        weight: Weight = "note" if PROPORTIONAL in setting.mixes else "doubt"
        yield Caveat(
            "idle_pools",
            weight,
            "Pools are given and the run's tokens are not, so that no pool limits the mixture; give the "
            "tokens too (--at D=20B).",
        )


def _repetition(setting: Setting, shares: Sequence[CorpusShare]) -> Iterator[Caveat]:
    many = [item for item in shares if item.epochs is not None and item.epochs > MANY_EPOCHS + 1e-6]
    if many:
        told = ", ".join(f"{item.corpus} {item.epochs:.1f}" for item in many)
        yield Caveat("many_epochs", "doubt", f"Pools are passed more than four times: {told}.")
    surface = setting.problem.surface
    if surface.repetition is None:
        return
    most = max((item.epochs or 0.0 for item in shares), default=0.0)
    if most > 1:
        price = (
            ""
            if setting.question.token_slope
            else ", and useful tokens lost have no price (token_slope is 0)"
        )
        yield Caveat(
            "repetition_not_measured",
            "note",
            f"The discount of repeated tokens is a published one, not measured on these runs{price}.",
        )
