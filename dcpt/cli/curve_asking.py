"""What a question about schedules is asked with, and what it is answered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.fit.loss_curves.curve_fit import CurveFit
    from dcpt.plan.schedule.aim import Aim
    from dcpt.plan.schedule.setting import Setting


@dataclass(frozen=True)
class Question:
    """What is asked of some fits.

    Attributes
    ----------
    setting : Setting
        The run.
    aim : Aim
        What is to be least.
    fits : mapping
        Side to its fit.
    values : tuple of float
        Values to compare; empty for the usual ones.
    longest : int, optional
        Longest run, or pre-training, to look at.
    floor : float
        Lowest rate as a share of the peak.
    level : float
        Probability of the intervals.
    from_start : bool
        Whether changes from the base count.
    """

    setting: Setting
    aim: Aim
    fits: Mapping[str, CurveFit]
    values: tuple[float, ...]
    longest: int | None
    floor: float
    level: float
    from_start: bool

    def general(self) -> CurveFit:
        """The fit of the general loss.

        Raises
        ------
        ConfigError
            When there is none.
        """
        from dcpt.core.symbols import GENERAL

        if GENERAL not in self.fits:
            raise ConfigError("this question is one about the general loss; it is not among the fits.")
        return self.fits[GENERAL]


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes
    ----------
    words : str
        The answer as a sentence.
    facts : mapping
        Its numbers.
    rows : sequence of mapping
        What was compared.
    caveats : sequence of ScheduleCaveat
        Reasons for doubt.
    runs : tuple of Setting
        The run that is the answer, where it is one.
    rates : ndarray, optional
        Rates of every step, where they are the answer.
    notes : tuple of str
        What was taken for granted.
    """

    words: str
    facts: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    caveats: Sequence[Any] = ()
    runs: tuple[Setting, ...] = ()
    rates: Any = None
    notes: tuple[str, ...] = ()


def loss_with_ends(name: str, forecast: Any, level: float) -> dict[str, Any]:
    """The first loss of a forecast and the ends of its interval, None without draws."""
    ends = forecast.interval(level)
    found: dict[str, Any] = {name: float(forecast.mean[0])}
    low, high = (None, None) if ends is None else (float(ends[0][0]), float(ends[1][0]))
    return found | {f"{name}_lo": low, f"{name}_hi": high}
