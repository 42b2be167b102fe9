"""A run to be decided on: its schedule, its mixture, and the base it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.schedule import Schedule
from dcpt.core.symbols import DOMAIN, GENERAL


@dataclass(frozen=True)
class Setting:
    """One continual pre-training, as a law of curves can price it.

    Parameters
    ----------
    cpt : Schedule or RateHistory
        Rates of continual pre-training.
    pre : Schedule or RateHistory, optional
        Rates of the base's pre-training; None when they are not known.
    r : float, optional
        Domain share of the training tokens.
    N : float, optional
        Non-embedding parameters.
    r_late : float, optional
        Domain share of the last steps, where the mixture changes.
    late_steps : int
        How many those are.
    base_losses : mapping
        Side ("general", "domain") to the measured loss of the base there, nats per token, for laws that start
        from it. Another pre-training makes another base: `with_pre` drops them.

    Raises
    ------
    ConfigError
        When a share is no share, a size or a loss is not positive, or the late mixture is given by half.
    """

    cpt: Schedule | RateHistory
    pre: Schedule | RateHistory | None = None
    r: float | None = None
    N: float | None = None
    r_late: float | None = None
    late_steps: int = 0
    base_losses: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, share in (("r", self.r), ("r_late", self.r_late)):
            if share is not None and not 0 <= share <= 1:
                raise ConfigError(f"setting: {name} is {share:g}; wanted a share in [0, 1].")
        for side in self.base_losses:
            if side not in (GENERAL, DOMAIN):
                raise ConfigError(f"setting: base_losses has {side!r}; wanted {GENERAL} and {DOMAIN}.")
        positive = {"N": self.N, **{f"the base's {side} loss": x for side, x in self.base_losses.items()}}
        for name, value in positive.items():
            if value is not None and not 0 < value < np.inf:
                raise ConfigError(f"setting: {name} is {value:g}; wanted a positive, finite number.")
        if (self.r_late is None) != (self.late_steps == 0) or (self.r_late is not None and self.r is None):
            raise ConfigError("setting: a late mixture needs r, r_late and late_steps together.")
        if not 0 <= self.late_steps <= self.steps:
            raise ConfigError(
                f"setting: late_steps is {self.late_steps}; wanted 0 to the run's {self.steps} steps."
            )

    @property
    def steps(self) -> int:
        """Steps of continual pre-training."""
        return len(self.cpt) if isinstance(self.cpt, RateHistory) else self.cpt.steps

    @property
    def schedule(self) -> Schedule:
        """The schedule of continual pre-training, where its rates follow one.

        Raises
        ------
        ConfigError
            When the setting has rates only.
        """
        if isinstance(self.cpt, RateHistory):
            raise ConfigError("setting: its rates follow no schedule; wanted one to vary.")
        return self.cpt

    @property
    def end_of_pre(self) -> float:
        """Rate at which pre-training ended; 0 when it is not known."""
        return 0.0 if self.pre is None else float(_rates(self.pre)[-1])

    @property
    def switch(self) -> int:
        """Steps of pre-training in front."""
        return 0 if self.pre is None else len(_rates(self.pre))

    def history(self) -> RateHistory:
        """The rates of both trainings joined."""
        if self.pre is None:
            return RateHistory(_rates(self.cpt), 0, self.cpt.rising)
        front = _rates(self.pre)
        return RateHistory(
            np.concatenate([front, _rates(self.cpt)]),
            len(front),
            np.concatenate([self.pre.rising, self.cpt.rising]),
        )

    def given(self, side: str) -> dict[str, float]:
        """What a law reads beside the rates, for the losses of one side."""

        def own(r: float) -> float:
            return 1.0 - r if side == GENERAL else r

        found: dict[str, float] = {}
        if self.N is not None:
            found["N"] = float(self.N)
        if self.r is not None:
            found["s"] = own(self.r)
        # L0 is the base's loss of the side that is asked about, G0 its general loss.
        for name, of in (("L0", side), ("G0", GENERAL)):
            if of in self.base_losses:
                found[name] = float(self.base_losses[of])
        if self.r_late is not None:
            found["s_late"] = own(self.r_late)
            found["late"] = float(self.switch + self.steps - self.late_steps + 1)
        return found

    def with_peak(self, peak: float) -> Setting:
        """The same run at another peak, its re-warm-up beginning where pre-training ended."""
        return self._with(replace(self.schedule, peak=peak, warmup_from=0.0))

    def with_rewarm(self, steps: int) -> Setting:
        """The same run with a re-warm-up of so many steps."""
        return self._with(replace(self.schedule, warmup=steps, warmup_from=0.0))

    def with_pre(self, pre: Schedule | RateHistory) -> Setting:
        """The same run from another base, its re-warm-up beginning where that one's pre-training ended."""
        return replace(self, pre=pre, base_losses={})._with(replace(self.schedule, warmup_from=0.0))

    def _with(self, cpt: Schedule) -> Setting:
        if cpt.kind == "table":  # its rates are what they are
            return replace(self, cpt=cpt)
        begins = min(self.end_of_pre / cpt.peak, 1.0) if cpt.warmup else 0.0
        return replace(self, cpt=replace(cpt, warmup_from=begins))


def _rates(part: Schedule | RateHistory) -> NDArray[np.float64]:
    return part.rates if isinstance(part, RateHistory) else part.rates()
