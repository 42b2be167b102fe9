"""Which fit a plan for limited data may lean on: not the constrained D-CPT law."""

from __future__ import annotations

from dcpt.core.errors import PlanError
from dcpt.core.symbols import DOMAIN
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.laws.dcpt_constrained import ConstrainedDCPT
from dcpt.plan.evidence import choose_fit


def choose_free_fit(fits: FitSet, side: str, law: str | None = None, D: float | None = None) -> LawFit:
    """Choose a fit as `choose_fit` does, of the domain side never the constrained D-CPT law by itself.

    Under the paper's constraint the loss falls with the share at all tokens above D_min, and then the best
    share of U domain tokens is the highest one unless U < e D_min: the constraint answers before the data
    do. A law that the user names is taken; the answer carries a caveat.

    Raises
    ------
    ConfigError
        As `choose_fit`.
    PlanError
        When the side has no other fit that sees the mixture.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, Sec. 4.1 and 4.4; the bound follows from both (`supply_limit`).
    """
    if law is not None or side != DOMAIN:
        return choose_fit(fits, side, law, D)
    free = tuple(fit for fit in fits if not isinstance(fit.law, ConstrainedDCPT))
    if not any(fit.role == side and fit.law.sees_mixture for fit in free) and len(free) < len(fits):
        raise PlanError(
            f"the only fit of the {side} loss that sees the mixture is the constrained D-CPT law, which "
            "cannot weigh limited data: it answers with the highest share whatever the pool.",
            hint="fit the free form (d-cpt) and plan with it, or name the law to use it all the same",
        )
    return choose_fit(FitSet(free, fits.refused, fits.provenance), side, None, D)
