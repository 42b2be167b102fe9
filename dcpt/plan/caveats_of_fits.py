"""Reasons for doubt that come with a fit: what it is asked beyond its data, and what it says of itself."""

from __future__ import annotations

from typing import Literal

from dcpt.core.quantity import format_quantity
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.caveat import Caveat
from dcpt.plan.evidence import Evidence
from dcpt.plan.outside import NEAR

FAR_IN_N = 10.0
"""Factor beyond the largest fitted size from which an extrapolation is doubtful; published proxy studies
that were checked against a target stay within about one order of magnitude (Que et al. 2024, Sec. 5)."""

FAR_IN_D = 3.0
"""The same for tokens, where the laws miss two to three times as much as between ratios because the
learning-rate decay moves with D (refits of public continual pre-training runs)."""

BEYOND = 1000.0
"""Factor beyond the fitted range of sizes or tokens from which no law is evidence: a power law's exponent
that is known to 0.01 leaves the loss above its floor unknown by 7 % there, and fitted floors less known
than that decide."""


def beyond(target: float, span: tuple[float, float]) -> str:
    """How far a size or token count lies outside a range, in words such as ``12 times above``."""
    low, high = span
    side = "above" if target > high else "below"
    factor = max(target / high, low / target)
    if factor < 1.1:
        return f"{100 * (factor - 1):.1f} % {side}"
    return f"{factor:,.0f} times {side}" if factor >= 100 else f"{factor:.1f} times {side}"


def caveats_of_a_fit(N: float, D: float, r: float, side: Evidence) -> list[Caveat]:
    """What one fit says against itself, and how far a run of N parameters on D tokens lies outside it."""
    caveats: list[Caveat] = []
    for name, target, far in (("N", N, FAR_IN_N), ("D", D, FAR_IN_D)):
        low, high = side.ranges[name]
        factor = max(target / high, low / target)
        if factor > NEAR:
            what = "model size" if name == "N" else "token count"
            kind: Literal["extrapolates_N", "extrapolates_D"] = (
                "extrapolates_N" if name == "N" else "extrapolates_D"
            )
            caveats.append(
                Caveat(
                    kind,
                    "open" if factor > BEYOND else "doubt" if factor > far else "note",
                    f"The {what} {format_quantity(target)} is {beyond(target, (low, high))} the fitted range "
                    f"({format_quantity(low)} to {format_quantity(high)}).",
                )
            )
    caveats.sort(key=lambda caveat: caveat.weight != "open")
    low, high = side.ranges["r"]
    if not low - 1e-9 <= r <= high + 1e-9:
        caveats.append(
            Caveat(
                "extrapolates_r",
                "doubt",
                f"The ratio {r:.3f} lies outside the fitted range ({low:g} to {high:g}).",
            )
        )
    law = f"The {side.law} law of the {side.eval_set} loss"
    if side.status == "max_iter":  # a parameter on a bound is reported below, by name
        caveats.append(Caveat("fit_status", "doubt", f"{law} has fit status '{side.status}'."))
    if side.at_bounds:
        caveats.append(
            Caveat(
                "parameters_at_bounds",
                "note",
                f"{law} has parameters at a bound: {', '.join(side.at_bounds)}.",
            )
        )
    if side.held_out is None:
        caveats.append(
            Caveat("not_held_out", "doubt", f"{law} was never tested on a size left out of the fit.")
        )
    elif side.baseline is not None and side.held_out >= side.baseline[1]:
        name, error = side.baseline
        caveats.append(
            Caveat(
                "worse_than_baseline",
                "doubt",
                f"{law} misses the held-out size by {side.held_out:.4f} {unit_of_amount(side.unit)}, the "
                f"baseline '{name}' by {error:.4f}.",
            )
        )
    if side.stand_in:
        caveats.append(Caveat("stand_in", "note", side.stand_in))
    return caveats
