"""Mixes that a plan has to beat: common practice, the best run so far, the mix in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.objective import Objective
from dcpt.plan.uncertainty import kept_share

Array = NDArray[np.float64]

IN_USE = "mix in use"
SEEN = "best run seen"
PROPORTIONAL = "proportional"

UNIFORM = 0.5
REPLAYS = (0.05, 0.25)
"""Replay shares of common practice: 5 % where the shift of domain is weak, 25 % and more where it is strong
(Ibrahim et al. 2024, arXiv:2403.08763, compare both)."""

_ROUNDING = 5e-4
"""Half of the last digit of a printed ratio: a mix in use may be an earlier answer, copied off."""

_UNKNOWN_SIZES = "the sizes of the corpora are not known; give both pools to have it"


@dataclass(frozen=True)
class Mix:
    """A ratio by name; None with the reason where it is not known."""

    name: str
    r: float | None
    note: str = ""


@dataclass(frozen=True)
class Baseline:
    """A mix beside the answer, at the answer's size and tokens.

    Attributes
    ----------
    name : str
        Which mix.
    r : float or None
        Its domain share; None where it is not known, and then nothing else is.
    losses : mapping of str to float
        Predicted losses by label.
    value : float or None
        The objective there.
    keeps : bool or None
        Whether the point fits keep every limit, and the run every cap on epochs.
    kept : float or None
        Share of the draws in which every limit is kept.
    difference, lo, hi : float or None
        Objective less the answer's, and the interval of the difference over paired draws.
    same : bool
        Whether it cannot be told from the answer; see `compare_mixes`.
    note : str
        Why it is not known, or that it lies outside the fitted ratios or breaks a cap on epochs.
    """

    name: str
    r: float | None
    losses: Mapping[str, float]
    value: float | None
    keeps: bool | None
    kept: float | None
    difference: float | None
    lo: float | None
    hi: float | None
    same: bool
    note: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a ratio gives.

    Attributes
    ----------
    losses : mapping of str to float
        Point predictions by label.
    value, excess : float
        The objective, and how far the nearest ceiling is exceeded, under the point fits.
    values, excesses : ndarray, shape (draws,)
        The same in every draw; empty without draws.
    overdrawn : str
        Caps on epochs that it breaks, in words; no draw changes them.
    """

    losses: Mapping[str, float]
    value: float
    excess: float
    values: Array
    excesses: Array
    overdrawn: str = ""


def usual_mixes(objective: Objective, seen: Mix) -> tuple[Mix, ...]:
    """The mixes every plan is compared with.

    Parameters
    ----------
    objective : Objective
        Knows the pools and the mix in use, where there are any.
    seen : Mix
        Best run of the loss table.
    """
    share = None if objective.pools is None else objective.pools.proportional
    replays = [Mix(f"{100 * replay:.0f} % replay", 1 - replay) for replay in REPLAYS]
    found = [
        Mix(PROPORTIONAL, share, "" if share is not None else _UNKNOWN_SIZES),
        Mix("uniform", UNIFORM),
        seen,
        *replays,
    ]
    if objective.r_now is not None:
        found.insert(0, Mix(IN_USE, objective.r_now))
    return tuple(found)


def compare_mixes(
    mixes: Sequence[Mix],
    outcome: Callable[[float], Outcome],
    r: float,
    interval: tuple[float, float] | None,
    tested: tuple[float, float],
    level: float,
) -> tuple[Baseline, ...]:
    """Set mixes beside an answer.

    The difference of the objective decides: a mix is not told apart from the answer (`Baseline.same`) when
    it keeps the limits, keeps them in no fewer draws, and the interval of the difference, paired draw by
    draw, holds 0. Where that interval lies above 0 the answer is better. A mix that breaks a limit is another
    one, however near, unless both round to the same ratio.

    That a ratio lies in the interval of the best one is no sign of being as good: where a limit binds, the
    objective may be worse there in every draw.

    Parameters
    ----------
    mixes : sequence of Mix
        What to compare with.
    outcome : callable
        From a ratio to what it gives; its draws are paired.
    r : float
        The answer.
    interval : tuple of float, or None
        Interval of the best ratio.
    tested : tuple of float
        Ratios the laws were fitted on.
    level : float
        Probability of the intervals.
    """
    answer = outcome(r)
    tail = (1 - level) / 2
    found: list[Baseline] = []
    for mix in mixes:
        if mix.r is None:
            found.append(Baseline(mix.name, None, {}, None, None, None, None, None, None, False, mix.note))
            continue
        there = outcome(mix.r)
        keeps = there.excess <= 1e-12 and not there.overdrawn
        lo = hi = kept = None
        same = False
        if len(answer.values) > 1:
            lo, hi = (float(x) for x in np.quantile(there.values - answer.values, [tail, 1 - tail]))
            kept = 0.0 if there.overdrawn else kept_share(there.excesses)
            as_sure = keeps and kept >= kept_share(answer.excesses) - 1e-12
            same = as_sure and lo <= 1e-12 and hi >= -1e-12
            rounds_to_it = within(mix.r, interval) and abs(mix.r - r) < _ROUNDING
            same = same or rounds_to_it
        outside = not tested[0] - 1e-9 <= mix.r <= tested[1] + 1e-9
        notes = (mix.note or ("outside the fitted ratios" if outside else ""), there.overdrawn)
        found.append(
            Baseline(
                name=mix.name,
                r=float(mix.r),
                losses=dict(there.losses),
                value=there.value,
                keeps=keeps,
                kept=kept,
                difference=there.value - answer.value,
                lo=lo,
                hi=hi,
                same=same,
                note="; ".join(filter(None, notes)),
            )
        )
    return tuple(found)


def within(r: float | None, interval: tuple[float, float] | None) -> bool:
    """Whether a ratio lies in an interval; not where either is unknown."""
    return r is not None and interval is not None and interval[0] <= r <= interval[1]


def rival(
    baselines: Sequence[Baseline], at_edge: bool, interval: tuple[float, float] | None = None
) -> Baseline | None:
    """The mix that makes the answer no news: the mix in use where there is one, else the best of all.

    A mix in use needs more than a better objective to be left. Inside the interval of the best ratio it may
    be the best one itself: what the answer gains on it, it gains by keeping the limits less surely. Other
    mixes are rivals only where they are not told apart from the answer.

    Parameters
    ----------
    baselines : sequence of Baseline
        From `compare_mixes`.
    at_edge : bool
        Whether the answer lies at an edge of the searched range. A mix there is no rival unless it is in
        use: the optimum may lie beyond both.
    interval : tuple of float, optional
        Interval of the best ratio.

    Returns
    -------
    Baseline or None
        None where nothing speaks against the answer.
    """
    known = [item for item in baselines if item.r is not None and item.value is not None]
    in_use = [item for item in known if item.name == IN_USE]
    if in_use:
        item = in_use[0]
        return item if item.same or (item.keeps and within(item.r, interval)) else None
    same = [] if at_edge else [item for item in known if item.same]
    return min(same, key=lambda item: abs(item.difference or 0.0)) if same else None


def gain(item: Baseline) -> str:
    """By how much the answer is better than a mix, with the interval; worse where it is negative."""
    if item.difference is None:
        return "an unknown amount"
    interval = "" if item.lo is None or item.hi is None else f" ({item.lo:.4f} to {item.hi:.4f})"
    return f"{item.difference:.4f}{interval}"


def standing(item: Baseline) -> str:
    """How the answer stands to a mix: better or worse by so much, or not told apart from it."""
    if item.difference is None:
        return "-"
    if item.same:
        interval = "" if item.lo is None else f" ({item.lo:+.4f} to {item.hi:+.4f})"
        return f"not told apart: {item.difference:+.4f}{interval}"
    if item.lo is None or item.hi is None:
        return f"{'better' if item.difference >= 0 else 'worse'} by {abs(item.difference):.4f}"
    if item.lo > 0:
        return f"better by {gain(item)}"
    if item.hi < 0:
        return f"worse by {-item.difference:.4f} ({-item.hi:.4f} to {-item.lo:.4f})"
    return f"open: {item.difference:+.4f} ({item.lo:+.4f} to {item.hi:+.4f})"
