"""Seed noise: how far runs of one design differ from each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from dcpt.core.errors import ConfigError
from dcpt.fit.dataset import FitData

_NOT_DESIGN = ("L0", "Dmin", "S1", "S2")
"""Other inputs that are measured or derived: runs of one design may differ in them."""


@dataclass(frozen=True)
class SeedNoise:
    """Pooled scatter of the log loss between runs of equal N, D and r.

    Attributes
    ----------
    sigma : float
        Standard deviation of the log loss, about the relative standard deviation of the loss.
    freedom : int
        Degrees of freedom: runs less designs.
    designs : int
        Designs that were run more than once.
    role : str
        Side of the evaluation set it was measured on.
    """

    sigma: float
    freedom: int
    designs: int
    role: str

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Interval of sigma for normal log losses, by the chi-squared law of the pooled variance.

        Raises
        ------
        ConfigError
            When `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ConfigError(f"seed noise: level is {level}; wanted a share between 0 and 1.")
        tail = (1 - level) / 2
        lo, hi = chdtri(self.freedom, [1 - tail, tail])  # of the probability above
        root = self.sigma * np.sqrt(self.freedom)
        return float(root / np.sqrt(hi)), float(root / np.sqrt(lo))


def seed_noise(data: FitData) -> SeedNoise | None:
    """Estimate the scatter between runs of one design from those that were repeated.

    Rows are of one design when N, D, r and every other input that belongs to a design are equal.
    Rows of one run at one design (several evaluations) count once, with their mean.

    Parameters
    ----------
    data : FitData
        The rows of one evaluation set.

    Returns
    -------
    SeedNoise or None
        None when no design was run more than once.
    """
    design = [data.N, data.D, data.r, *(column for name, column in _design_inputs(data))]
    table = np.nan_to_num(np.column_stack(design), nan=-1.0)
    _, cell = np.unique(table, axis=0, return_inverse=True)
    pairs, member = np.unique(np.column_stack([cell.reshape(-1), data.groups]), axis=0, return_inverse=True)
    member = member.reshape(-1)
    level = np.bincount(member, data.log_loss) / np.bincount(member)
    _, place, runs = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    centre = np.bincount(place, level) / runs
    freedom = int((runs - 1).sum())
    if freedom < 1:
        return None
    variance = float(((level - centre[place]) ** 2).sum() / freedom)
    return SeedNoise(float(np.sqrt(variance)), freedom, int((runs > 1).sum()), data.role)


def _design_inputs(data: FitData) -> list[tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]]:
    return [(name, column) for name, column in sorted(data.extra.items()) if name not in _NOT_DESIGN]
