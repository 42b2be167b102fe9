"""One measured loss of a launched run beside its prediction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ComparedLoss:
    """One measured loss of a launched run beside its prediction, both in the unit of the comparison."""

    run_id: str
    side: str
    eval_set: str
    N: float
    D: float
    r: float
    predicted: float
    mean_lo: float
    mean_hi: float
    obs_lo: float
    obs_hi: float
    measured: float
    sem: float | None
    ceiling: float | None
    as_planned: bool

    @property
    def error(self) -> float:
        """Measured minus predicted."""
        return self.measured - self.predicted

    @property
    def error_percent(self) -> float:
        """The error in per cent of the measured loss."""
        return 100.0 * self.error / self.measured

    @property
    def in_mean(self) -> bool:
        """Whether the measured loss lies inside the interval of the mean."""
        return self.mean_lo <= self.measured <= self.mean_hi

    @property
    def in_obs(self) -> bool:
        """Whether the measured loss lies inside the interval of a run."""
        return self.obs_lo <= self.measured <= self.obs_hi

    @property
    def kept(self) -> bool | None:
        """Whether the ceiling was kept; None for a side without one."""
        return None if self.ceiling is None else self.measured <= self.ceiling
