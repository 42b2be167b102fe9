"""What some curves cannot tell a law, and where a prediction leaves what was fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve, RateHistory
from dcpt.fit.doubt import FitWarning
from dcpt.fit.loss_curves.limits import CPT_PEAK, FAR, SLACK
from dcpt.laws.curves.curve_law import CurveLaw

Mask = NDArray[np.bool_]

_DECAYED = 0.05
_SAME = 1e-9
_PREFIX = 3


def data_doubts(law: CurveLaw, curves: Sequence[Curve]) -> Iterator[FitWarning]:
    """Doubts that the curves alone raise, whatever the fit."""
    histories = [curve.history.up_to(int(curve.steps[-1])) for curve in curves]
    falling = [decays(history) for history in histories]
    shapes = _schedules(histories)
    if not any(falling):
        yield FitWarning(
            "no_decay",
            "No fitted curve has a falling learning rate: what a fall gains is not in these data, and the "
            "law's terms of it mean nothing.",
        )
    elif shapes == 1:
        yield FitWarning(
            "one_schedule",
            f"All {len(curves)} curves have one schedule: how fast the gain of a fall comes is not told "
            "apart from the rest of the curve (a constant rate beside it, or a fall in one step, would "
            "tell).",
        )
    for phase, peaks in _peaks(histories).items():
        if peaks and max(peaks) > SLACK * min(peaks):
            yield FitWarning(
                "peaks_differ",
                f"The highest rates{phase} differ between the curves ({min(peaks):.3g} to {max(peaks):.3g}): "
                "one set of parameters does not hold across peaks; fit each by itself.",
            )
    if not law.two_phase:
        rising = [curve.name for curve, history in zip(curves, histories, strict=True) if rises(history)]
        if rising:
            yield FitWarning(
                "rate_rises",
                f"The learning rate of {', '.join(rising[:3])} rises after the warm-up; {law.name} was made "
                "for rates that only fall.",
            )
    shared = [" and ".join(pair) for pair in shared_prefixes(curves)]
    if shared:
        more = f" and {len(shared) - 3} more pairs" if len(shared) > 3 else ""
        yield FitWarning(
            "shared_prefix",
            f"{'; '.join(shared[:3])}{more} begin with the same losses: they are branches of one run, "
            "count as one when resampled, and what they share weighs double in the fit.",
        )


def _peaks(histories: Sequence[RateHistory]) -> dict[str, list[float]]:
    """Highest rates of the curves in words of their phase; a base's curve ends with, or behind, its first."""
    split = [history for history in histories if history.switch]
    return {
        "": [history.peak for history in histories if not history.switch],
        " of pre-training": [float(history.rates[: history.switch].max()) for history in split],
        " of continual pre-training": [
            history.cpt_peak for history in split if len(history) > history.switch + 1
        ],
    }


def prediction_doubts(
    law: CurveLaw, history: RateHistory, ranges: Mapping[str, tuple[float, float]]
) -> Iterator[FitWarning]:
    """Doubts about a prediction along a history.

    Parameters
    ----------
    law : CurveLaw
        The fitted law.
    history : RateHistory
        Up to the last step predicted.
    ranges : mapping
        Those of a `CurveFit`; it names the forward area and the highest rates.
    """
    reach = float(history.S1[-1]) / ranges["area"][1]
    if reach > FAR:
        yield FitWarning(
            "horizon",
            f"The forward area is {reach:.1f} times the largest fitted one (trusted up to {FAR:g} times).",
        )
    asked = {"peak": ("", history.peak)}
    if CPT_PEAK in ranges and history.switch and len(history) > history.switch + 1:
        asked[CPT_PEAK] = (" of continual pre-training", history.cpt_peak)
    for name, (phase, rate) in asked.items():
        low, high = ranges[name]
        if rate > SLACK * high or rate < low / SLACK:
            yield FitWarning(
                "other_peak",
                f"The peak rate{phase} is {rate:.3g} and the fitted ones lie between {low:.3g} and "
                f"{high:.3g}: these laws do not carry over to another peak.",
            )
    if not law.two_phase and rises(history):
        yield FitWarning(
            "rate_rises",
            f"The learning rate rises after the warm-up; {law.name} was made for rates that only fall.",
        )
    if law.gains_at_zero and history.tail > 1:
        yield FitWarning(
            "zero_rate_tail",
            f"The last {history.tail} steps have a rate of 0 and still lower the loss that {law.name} "
            "predicts, though nothing is learnt in them; laws with the forward area as clock do not do this.",
        )


def rises(history: RateHistory) -> bool:
    """Whether the rate rises on a step that belongs to no warm-up."""
    up = np.diff(history.rates, prepend=history.rates[:1]) > _SAME * history.peak
    # The step behind a warm-up may still be the one that reaches the peak.
    warm = history.rising | np.concatenate([[False], history.rising[:-1]])
    return bool((up & ~warm).any())


def decays(history: RateHistory) -> bool:
    """Whether the rate falls by more than a twentieth of the peak after the warm-up."""
    after = history.rates[history.front :]
    return bool(len(after)) and bool(after.min() < (1 - _DECAYED) * history.peak)


def _schedules(histories: Sequence[RateHistory]) -> int:
    """Number of different schedules; a shorter piece of another's rates is the same one."""
    kept: list[RateHistory] = []
    for history in sorted(histories, key=len, reverse=True):
        n = len(history)
        if not any(np.allclose(other.rates[:n], history.rates, rtol=1e-6, atol=0) for other in kept):
            kept.append(history)
    return len(kept)


def shared_prefixes(curves: Sequence[Curve]) -> list[tuple[str, str]]:
    """Pairs of curves of different groups whose first losses are the same to the last digit."""
    found = []
    for index, one in enumerate(curves):
        for other in curves[index + 1 :]:
            n = min(len(one), len(other), _PREFIX)
            same = (one.steps[:n] == other.steps[:n]).all() and (one.loss[:n] == other.loss[:n]).all()
            if n >= 2 and same and one.group != other.group and one.eval_set == other.eval_set:
                found.append((one.name, other.name))
    return found


def groups_of(curves: Sequence[Curve]) -> list[str]:
    """The group of every curve, groups that share a prefix joined under the first one's name."""
    names = {curve.name: curve.group for curve in curves}
    for one, other in shared_prefixes(curves):
        kept, gone = names[one], names[other]
        names = {name: kept if group == gone else group for name, group in names.items()}
    return [names[curve.name] for curve in curves]
