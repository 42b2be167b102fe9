"""Reasons for doubt that come with limited data."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import DOMAIN
from dcpt.laws.dcpt_constrained import ConstrainedDCPT
from dcpt.laws.dcpt_law import DCPT2024
from dcpt.plan.caveat import Caveat
from dcpt.plan.supply.constraints import ONCE
from dcpt.plan.supply.question import Question
from dcpt.plan.supply.region import REACH
from dcpt.plan.supply.repetition import Supply

CHEAP = 4.0
"""Passes up to which repeats are worth nearly as much as fresh tokens: 3.7 of 4 (Muennighoff et al. 2023)."""

MANY = 16.0
"""Passes from which more are worth little: 10.6 of 16 in the published law, which cannot show the rise of the
loss that repeating too often brings."""


def supply_caveats(
    question: Question,
    supply: Supply,
    epochs: Mapping[str, float],
    at_decay: Mapping[float, tuple[float, float]],
    reach: float | None,
) -> tuple[Caveat, ...]:
    """What speaks against leaning on an answer about limited data.

    Parameters
    ----------
    question, supply
        What was asked.
    epochs : mapping
        Side to the passes over its pool in the answer.
    at_decay : mapping
        Other values of R_D* to the best (r, D) under them.
    reach : float or None
        End of the searched tokens, where the answer lies on it.
    """
    found = []
    repeated = {
        side: passes
        for side, passes in epochs.items()
        if passes > ONCE and not any(law.measures_repetition for law in question.laws if law.fit.role == side)
    }
    if repeated:
        seen = " and ".join(f"the {side} pool {passes:.2g} times" for side, passes in repeated.items())
        others = " and ".join(
            f"r* = {r:.3f} with {format_quantity(D)} tokens at {decay:.3g}"
            for decay, (r, D) in at_decay.items()
        )
        if others:
            others = f"; at half and twice that decay the answer is {others}"
        found.append(
            Caveat(
                "repetition_not_measured",
                "note" if max(repeated.values()) <= CHEAP * ONCE else "doubt",
                f"The run sees {seen}, and the fitted runs carry no evidence on repetition: the discount "
                f"(R_D* = {supply.decay:.4g} epochs) is the published one of pre-training "
                f"(arXiv:2305.16264), not measured here{others}.",
            )
        )
    for side, passes in epochs.items():
        if passes > MANY * ONCE:
            found.append(
                Caveat(
                    "many_epochs",
                    "doubt",
                    f"The {side} pool is seen {passes:.3g} times; beyond about {MANY:g} the discount leaves "
                    "little of a repeat, and it cannot show a loss that rises again.",
                )
            )
    for term in question.minimised:
        if term.law.fit.role != DOMAIN:
            continue
        if isinstance(term.law.fit.law, ConstrainedDCPT):
            found.append(constrained_caveat(term.law.name))
        elif isinstance(term.law.fit.law, DCPT2024) and supply.domain is not None:
            found.append(
                Caveat(
                    "free_fit",
                    "note",
                    f"The {term.law.name} loss is that of the free D-CPT fit: under the paper's constraint "
                    "limited data would be answered with the highest share, whatever the runs say.",
                )
            )
    if reach is not None:
        found.append(
            Caveat(
                "tokens_at_edge",
                "doubt",
                f"Nothing limits the tokens, and the loss still falls at {format_quantity(reach)}, "
                f"{REACH:g} times the most tokens fitted, where the search ends.",
            )
        )
    return tuple(found)


def constrained_caveat(name: str) -> Caveat:
    """The caveat of a plan for limited data from the constrained D-CPT law."""
    return Caveat(
        "constrained_fit",
        "open",
        f"The law of the {name} loss is the constrained D-CPT form, which by construction answers limited "
        "data with the highest share searched, unless the pool is of the order of the least tokens fitted.",
    )
