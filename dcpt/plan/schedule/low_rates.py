"""Bases told apart by rates near zero, where a law that counts powers of the rate is steepest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dcpt.laws.curves import CurveLaw
from dcpt.laws.curves.cpt_dynamics import DynamicsLaw
from dcpt.laws.curves.rate_power import RatePower
from dcpt.plan.schedule.caveat import ScheduleCaveat
from dcpt.plan.schedule.forecast import FittedCurves
from dcpt.plan.schedule.setting import Setting

LOW = 0.05
"""Share of the peak up to which a rate at the end of pre-training is near zero."""

MUCH = 0.03
"""Part of the whole fall from the peak that such rates may make up without being spoken of."""


def low_rate_doubts(fit: FittedCurves, settings: Sequence[Setting]) -> Iterator[ScheduleCaveat]:
    """Caveats on bases that end at different rates near zero, under a law that makes much of them.

    A fall counts as the difference of eta**p; with p below 1 its slope at a rate of 0 has no bound, so that a
    small difference between two ends is worth much. Errors on curves left out hardly change when eta + e
    takes the place of eta, with e up to a tenth of the peak (DECISIONS.md): how a fall so near zero counts is
    the form of the law and not what losses say. The end of the run itself is no matter: a fall is gained with
    the forward area after it, and after the last there is none.

    Parameters
    ----------
    fit : FittedCurves
        The fit.
    settings : sequence of Setting
        The runs compared.
    """
    if not _counts_powers(fit.law) or fit.params["p"] >= 1:
        return
    p = fit.params["p"]
    low = sorted({round(end, 9) for end in _ends_of_base(settings) if end <= LOW})
    part = low[-1] ** p - low[0] ** p if low else 0.0
    if part > MUCH:
        yield ScheduleCaveat(
            "low_rates",
            f"Rates at the end of pre-training from {low[0]:.2g} to {low[-1]:.2g} of the peak are compared: "
            f"for the {fit.side} loss that is {100 * part:.0f} % of the whole fall from the peak to 0, since "
            f"the law counts a rate by its power p = {p:.2f}. How falls so near zero count is the form of "
            "the law, and losses hardly hold it.",
        )


def _counts_powers(law: CurveLaw) -> bool:
    return isinstance(law, RatePower) or (isinstance(law, DynamicsLaw) and law.kernel.curved)


def _ends_of_base(settings: Sequence[Setting]) -> Iterator[float]:
    for setting in settings:
        if setting.switch:
            yield setting.end_of_pre / float(setting.history().rates[: setting.switch].max())
