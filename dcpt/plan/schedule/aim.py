"""What a schedule is to be best at: one loss, or a weighted sum of the general and the domain loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcpt.core.errors import ConfigError
from dcpt.plan.schedule.forecast import (
    FittedCurves,
    Forecast,
    difference,
    final_losses,
    start_losses,
    weighted_sum,
)
from dcpt.plan.schedule.setting import Setting


@dataclass(frozen=True, eq=False)
class Aim:
    """Fits and their weights; the sum of weighted final losses is to be least.

    Attributes
    ----------
    fits : tuple of FittedCurves
        One fit per loss that counts.
    weights : tuple of float
        Weight of each, not negative.
    from_start : bool
        Whether changes from the loss of the base count instead of losses: the same for one base, and not when
        settings differ in their pre-training.

    Raises
    ------
    ConfigError
        When weights and fits do not match.
    """

    fits: tuple[FittedCurves, ...]
    weights: tuple[float, ...]
    from_start: bool = False

    def __post_init__(self) -> None:
        if len(self.fits) != len(self.weights) or not self.fits:
            raise ConfigError(f"aim: {len(self.fits)} fits and {len(self.weights)} weights; wanted one each.")
        if min(self.weights) < 0 or not sum(self.weights) > 0:
            raise ConfigError(
                f"aim: weights are {list(self.weights)}; wanted none negative and one positive."
            )
        sides = [fit.side for fit in self.fits]
        if len(set(sides)) < len(sides):
            raise ConfigError(f"aim: fits of the sides {', '.join(sides)}; wanted one per side.")

    @classmethod
    def of(cls, fit: FittedCurves) -> Aim:
        """One loss as low as can be."""
        return cls((fit,), (1.0,))

    @classmethod
    def balance(
        cls, general: FittedCurves, domain: FittedCurves, weight: float, from_start: bool = False
    ) -> Aim:
        """Weight on the general loss, the rest on the domain loss.

        Wang et al. 2025 (arXiv:2505.07796, Eq. 5) count changes from the start of continual
        pre-training: ``from_start=True``.

        Raises
        ------
        ConfigError
            When the weight is no share.
        """
        if not 0 <= weight <= 1:
            raise ConfigError(
                f"balance: the weight on the general loss is {weight:g}; wanted a share in [0, 1]."
            )
        return cls((general, domain), (weight, 1.0 - weight), from_start)

    @property
    def active(self) -> tuple[tuple[FittedCurves, float], ...]:
        """Fits with a positive weight, and that weight."""
        return tuple((fit, weight) for fit, weight in zip(self.fits, self.weights, strict=True) if weight > 0)


@dataclass(frozen=True, eq=False)
class Priced:
    """What an aim expects of some settings.

    Attributes
    ----------
    sides : tuple of str
        Side of each fit.
    losses, changes : tuple of Forecast
        Final losses of each fit, and their changes from the loss of the base; changes are empty when
        pre-training is not known.
    objective : Forecast
        The weighted sum that is to be least.
    """

    sides: tuple[str, ...]
    losses: tuple[Forecast, ...]
    changes: tuple[Forecast, ...]
    objective: Forecast


def price(aim: Aim, settings: Sequence[Setting]) -> Priced:
    """Expected final losses of some settings and the aim's weighted sum of them.

    Draw i of every fit counts as one draw: refits that resample runs alike are paired.

    Raises
    ------
    ConfigError
        When there is no setting.
    """
    if not settings:
        raise ConfigError("schedules: there is no setting to compare.")
    losses = tuple(final_losses(fit, settings) for fit in aim.fits)
    changes: tuple[Forecast, ...] = ()
    if aim.from_start or all(setting.switch for setting in settings):
        starts = [start_losses(fit, settings) for fit in aim.fits]
        changes = tuple(difference(end, start) for end, start in zip(losses, starts, strict=True))
    counted = changes if aim.from_start else losses
    return Priced(tuple(fit.side for fit in aim.fits), losses, changes, weighted_sum(counted, aim.weights))
