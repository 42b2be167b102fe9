"""The stability gap: a loss that rises in the first steps of continual pre-training and then comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import DENSE

THRESHOLD = 3.0
"""Standard deviations of the difference of two evaluations that a rise has to exceed, were there one place to
look at. The worst of n is higher by itself, about sqrt(2 ln n) of them, which is added in squares.

On curves of noise alone, 2,000 each, level or falling, 8 to 100 evaluations long, a gap is seen in at most
0.6 % of those with independent errors and 5 % of those whose errors hardly change from one evaluation to the
next (correlation 0.95); a real one ten standard deviations deep on 40 evaluations is seen in 98 %."""

LEAST_EVALUATIONS = 6
"""Fewer do not tell the scatter of a curve from its course."""

EARLY_SHARE = 0.5
"""Share of a curve's steps within which its worst loss has to lie: a judgement. What rises until later is
forgotten for good, or rises for other reasons."""

LEAST_RATE = 0.5
"""Share of the peak rate below which a curve is not looked at: what comes back there, annealing brings."""

COLUMNS = (
    "run_id", "N", "r", "seed", "eval_set", "start", "depth", "worst_step", "worst_D", "recovered_step",
    "recovered_D", "noise",
)  # fmt: skip


@dataclass(frozen=True)
class StabilityGap:
    """A rise of a loss curve that is followed by a fall.

    Attributes
    ----------
    depth : float
        Highest loss less the loss before the first step.
    worst : int
        Place of the highest loss.
    recovered : int or None
        Place of the first loss after it that is no higher than at the start, within the noise; None when
        the curve only comes part of the way back.
    noise : float
        Standard deviation of one evaluation around the course of the curve, its slow wandering included.
    """

    depth: float
    worst: int
    recovered: int | None
    noise: float


def find_gap(
    losses: NDArray[np.float64], start: float, threshold: float = THRESHOLD, early: float = EARLY_SHARE
) -> StabilityGap | None:
    """Look for a stability gap in a loss curve.

    The noise is read off the second differences of the curve, by their median: of a smooth course they are
    small, of independent errors their standard deviation is sqrt(6) times that of one. Losses also wander
    more slowly than from one evaluation to the next, which a gap must not be taken for: where the second
    half of the curve lies further off a straight line than that, this counts.

    Parameters
    ----------
    losses : ndarray, shape (evaluations,)
        In order of steps, from the first evaluation after the start.
    start : float
        Loss before the first step, on the same windows.
    threshold : float
        Standard deviations of a difference of two evaluations that the rise and the fall must exceed, and
        more for the number of places the worst is among.
    early : float
        Share of the evaluations that the worst one must be among.

    Returns
    -------
    StabilityGap or None
        None where there is none, or there are fewer than `LEAST_EVALUATIONS`.
    """
    if len(losses) < LEAST_EVALUATIONS:
        return None
    curve = np.concatenate(([start], losses))
    noise = max(float(1.4826 * np.median(np.abs(np.diff(curve, 2))) / np.sqrt(6.0)), _wandering(losses))
    places = max(1.0, early * len(losses))
    slack = np.sqrt(2.0) * noise * np.sqrt(threshold**2 + 2.0 * np.log(places))
    worst = int(np.argmax(losses))
    depth = float(losses[worst] - start)
    after = losses[worst + 1 :]
    if depth <= slack or worst >= early * len(losses) or losses[worst] - after.min() <= slack:
        return None
    back = np.flatnonzero(after <= start + slack)
    return StabilityGap(depth, worst, worst + 1 + int(back[0]) if len(back) else None, noise)


def _wandering(losses: NDArray[np.float64]) -> float:
    """Standard deviation of a curve's second half around a straight line; 0 of fewer than four losses."""
    late = losses[len(losses) // 2 :]
    if len(late) < 4:
        return 0.0
    steps = np.arange(len(late), dtype=np.float64)
    residuals = late - np.polyval(np.polyfit(steps, late, 1), steps)
    return float(np.sqrt(residuals @ residuals / (len(late) - 2)))


def stability_gaps(table: LossTable) -> pd.DataFrame:
    """The stability gaps in a loss table that has losses along its runs and of their bases.

    Dense evaluation sets are looked at where there are some, under the name of the whole set. Curves count
    as far as the rate is at least `LEAST_RATE` of its peak.

    Parameters
    ----------
    table : LossTable
        Of any source; runs without the loss of a base are left out.

    Returns
    -------
    pandas.DataFrame
        One row per run and evaluation set with a gap: `COLUMNS`; losses in the unit of the table, steps and
        tokens of continual pre-training, recovered ones empty where a curve does not come back.
    """
    frame = table.frame[table.frame["metric"] == "loss"]
    bases = frame[frame["phase"] == "base"]
    curves = frame[frame["phase"].isin(("trunk", "decay", "end")) & (frame["step"] > 0)]
    names = set(curves["eval_set"])
    curves = curves[~curves["eval_set"].isin([name for name in names if f"{name}/{DENSE}" in names])]
    # Most runs of a sweep are branches: they are left out before any of them is looked at.
    steps = curves.groupby(["run_id", "eval_set"], sort=False)["step"]
    early = steps.transform("min") <= EARLY_SHARE * steps.transform("max")
    curves = curves[early & (steps.transform("size") >= LEAST_EVALUATIONS)]
    rows = []
    for (_, eval_set), own in curves.groupby(["run_id", "eval_set"], sort=False):
        own = own.sort_values("step").drop_duplicates("step", keep="last")
        own = own[~(own["eta"] < LEAST_RATE * own["eta"].max())]
        start = _start(bases, own, str(eval_set))
        gap = None if start is None else find_gap(own["value"].to_numpy(np.float64), start)
        if gap is None:
            continue
        at = own.iloc[gap.worst]
        back = own.iloc[gap.recovered] if gap.recovered is not None else None
        rows.append(
            {
                **{name: at[name] for name in ("run_id", "N", "r", "seed")},
                "eval_set": str(eval_set).removesuffix(f"/{DENSE}"),
                "start": start,
                "depth": gap.depth,
                "worst_step": at["step"],
                "worst_D": at["D"],
                "recovered_step": None if back is None else back["step"],
                "recovered_D": None if back is None else back["D"],
                "noise": gap.noise,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _start(bases: pd.DataFrame, own: pd.DataFrame, eval_set: str) -> float | None:
    """Loss of the one base a run can have started from."""
    if not len(own):
        return None
    fits = (bases["N"] == own["N"].iloc[0]) & (bases["eval_set"] == eval_set)
    if "base_schedule" in own and own["base_schedule"].iloc[0]:
        fits &= bases["schedule"] == own["base_schedule"].iloc[0]
    values = bases.loc[fits, "value"]
    return float(values.iloc[0]) if len(values) == 1 else None


def gap_lines(table: LossTable) -> list[str]:
    """What to say of the stability gaps in a table: a line per evaluation set with some, deepest first."""
    gaps = stability_gaps(table)
    lines = []
    for eval_set, own in sorted(gaps.groupby("eval_set"), key=lambda item: -item[1]["depth"].max()):
        deepest = own.loc[own["depth"].idxmax()]
        back = own["recovered_step"].notna()
        steps = own.loc[back, "recovered_step"]
        if back.any():
            low, high = int(steps.min()), int(steps.max())
            count = "all" if back.all() else f"{int(back.sum())} of them"
            recovered = f"back at it: {count}, by step {low}" + (f" to {high}" if high > low else "")
        else:
            recovered = "none is back at it while its rate holds"
        curves = "curve rises and falls" if len(own) == 1 else "curves rise and fall"
        lines.append(
            f"stability gap on {eval_set}: {len(own)} {curves} again, by up to {deepest['depth']:.3f} above "
            f"the base's loss at step {int(deepest['worst_step'])} ({deepest['run_id']}); {recovered}"
        )
    return lines
