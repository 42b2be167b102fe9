"""The short run that tells domains apart: which one it is, and what its losses say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.laws.cross_domain import domain_coefficients

_SAME = 1e-6

STEPS = (1000, 5000, 10_000)
"""When the paper reads its short runs: Que et al. 2024, arXiv:2406.01375, App. H."""


@dataclass(frozen=True)
class ShortRun:
    """The run whose early losses tell domains apart: the same one in every table.

    Parameters
    ----------
    N : float
        Its size: the smallest will do.
    r : float
        Its domain share.
    D : tuple of float
        Tokens of its three readings, in the paper after 1,000, 5,000 and 10,000 steps.
    """

    N: float
    r: float
    D: tuple[float, float, float]

    @classmethod
    def at_steps(
        cls, N: float, r: float, tokens_per_step: float, steps: tuple[int, int, int] = STEPS
    ) -> ShortRun:
        """The run read after numbers of optimizer steps, by default those of the paper.

        Parameters
        ----------
        N, r : float
            Its size and domain share.
        tokens_per_step : float
            Sequences of a batch times their length; 131,072 in the paper.
        steps : tuple of int
            When it is read.

        Raises
        ------
        ConfigError
            When the tokens per step are not positive, or the steps do not grow.

        Examples
        --------
        >>> ShortRun.at_steps(0.5e9, 0.5, 131_072).D
        (131072000.0, 655360000.0, 1310720000.0)
        """
        if not (tokens_per_step > 0 and 0 < steps[0] < steps[1] < steps[2]):
            raise ConfigError(
                f"short run: {tokens_per_step:g} tokens per step, read after {steps} steps; wanted a number "
                "above 0 and steps that grow."
            )
        one, two, three = (float(tokens_per_step * step) for step in steps)
        return cls(N, r, (one, two, three))

    def __str__(self) -> str:
        """The run as ``dcpt fit --short-run`` reads it, numbers shortened."""
        tokens = ":".join(format_quantity(D) for D in self.D)
        return f"N={format_quantity(self.N)},r={self.r:g},D={tokens}"


def short_run_coefficients(
    table: LossTable, eval_set: str, run: ShortRun, metric: str = "loss"
) -> dict[str, float]:
    """k1, k2 and k3 of a table's domain.

    Parameters
    ----------
    table : LossTable
        Must hold the run's base (D = 0) and its three readings; several seeds are averaged. Where the
        tokens of a reading have ends of a schedule, these count alone.
    eval_set, metric : str
        The domain's held-out set, and which loss.
    run : ShortRun
        Which run.

    Raises
    ------
    DataError
        When a reading is absent, or the losses do not fall.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, App. H.
    """
    frame = table.select(eval_set, metric, None).frame
    frame = frame[np.isclose(frame["N"], run.N, rtol=_SAME)]
    losses = []
    for D in (0.0, *run.D):
        rows = frame[np.isclose(frame["D"], D, rtol=_SAME)]
        rows = rows[np.isclose(rows["r"], run.r)] if D else rows
        ends = rows[rows["phase"] == "end"]
        rows = ends if len(ends) else rows
        if not len(rows):
            raise DataError(
                f"the short run of {format_quantity(run.N)} at r = {run.r:g} has no loss of {eval_set!r} at "
                f"D = {format_quantity(D)}.",
                hint="name a size, a ratio and tokens that every domain's table has",
            )
        losses.append(float(rows["value"].mean()))
    found = domain_coefficients(*losses)
    return {"k1": found.k1, "k2": found.k2, "k3": found.k3}


def common_short_run(
    tables: Mapping[str, LossTable], eval_set: str = "domain", metric: str = "loss"
) -> ShortRun:
    """The cheapest short run that every table holds.

    It is of the smallest size; of the largest domain share, which where it is 1 belongs to no row that is
    fitted by default; read at the least tokens, at the least later ones whose double is there too, and at
    that double, so that the last two readings are at equal distances, as the paper's are.

    Parameters
    ----------
    tables : mapping of str to LossTable
        Domain to its losses.
    eval_set, metric : str
        The domain's held-out set in each table, and which loss.

    Raises
    ------
    ConfigError
        When there is no table.
    DataError
        When the tables share no such run.
    """
    if not tables:
        raise ConfigError("short run: there is no table; wanted at least one.")
    frames = [table.select(eval_set, metric, None).frame for table in tables.values()]
    ends = [frame[(frame["phase"] == "end") & (frame["D"] > 0)] for frame in frames]
    cells = [set(zip(frame["N"], frame["r"], frame["D"], strict=True)) for frame in ends]
    based = set.intersection(*(set(frame.loc[frame["D"] == 0, "N"]) for frame in frames))
    shared = {cell for cell in set.intersection(*cells) if cell[0] in based}
    for N, r in sorted({cell[:2] for cell in shared}, key=lambda pair: (pair[0], -pair[1])):
        tokens = sorted(D for *design, D in shared if tuple(design) == (N, r))
        for middle in tokens[1:]:
            doubled = [D for D in tokens if np.isclose(D, 2 * middle, rtol=_SAME)]
            if doubled:
                return ShortRun(float(N), float(r), (float(tokens[0]), float(middle), float(doubled[0])))
    raise DataError(
        f"the tables of {', '.join(tables)} share no short run on {eval_set!r}: wanted one size and one "
        "ratio that all have, with a loss at D = 0 and after three numbers of tokens, the last twice the "
        "second.",
        hint="name the run: --short-run N=SIZE,r=SHARE,D=TOKENS:TOKENS:TOKENS",
    )
