"""What a question about schedules is asked of: the fit of every side, and the weights of their losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.curve_fit import CurveFit
    from dcpt.plan.schedule.aim import Aim

EVEN = 0.5
"""Weight on the general loss where both sides are fitted and none is given."""


def asked_fits(fits: CurveFits, law: str | None) -> dict[str, CurveFit]:
    """The fit of every side; a law that is for one side asks that one only."""
    from dcpt.core.symbols import DOMAIN, GENERAL
    from dcpt.laws.curves.registry import get_curve_law

    named = None if law is None else get_curve_law(law)
    sides = [side for side in (GENERAL, DOMAIN) if any(item.side == side for item in fits.sets)]
    if named is not None:
        sides = [side for side in sides if side in named.sides] or sides
    return {side: fits.of(side).single(None if named is None else named.name) for side in sides}


def aim_of(chosen: Mapping[str, CurveFit], weight: float | None, from_start: bool) -> Aim:
    """The weighted loss of both sides, or that of the only one.

    Raises
    ------
    ConfigError
        When a weight is given and there is nothing to weigh.
    """
    from dcpt.core.symbols import DOMAIN, GENERAL
    from dcpt.plan.schedule.aim import Aim

    if len(chosen) == 2:
        return Aim.balance(chosen[GENERAL], chosen[DOMAIN], EVEN if weight is None else weight, from_start)
    if weight is not None:
        raise ConfigError(
            f"--weight: only the {next(iter(chosen))} loss is fitted; there is nothing to weigh it with."
        )
    return Aim(tuple(chosen.values()), (1.0,), from_start)
