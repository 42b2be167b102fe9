"""Where the constants of a run lie outside those of the fitted curves."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.curve import RateHistory
from dcpt.fit.loss_curves.limits import CPT_PEAK, SLACK

_WORDS = {
    "N": "size N",
    "r": "domain share r",
    "L0": "base's loss L0",
    "G0": "base's general loss G0",
    CPT_PEAK: "peak rate of continual pre-training",
}


def outside(
    ranges: Mapping[str, tuple[float, float]],
    given: Mapping[str, float],
    history: RateHistory | None = None,
) -> tuple[str, ...]:
    """Constants of a run that are beyond the fitted ones, one sentence each.

    Parameters
    ----------
    ranges : mapping
        Of a `CurveFit`.
    given : mapping
        Constants of the run.
    history : RateHistory, optional
        Its rates, where no `CurveFit.doubts` speak of them.
    """
    found = dict(given)
    if history is not None and history.switch:
        found[CPT_PEAK] = history.cpt_peak
    said = []
    for name, word in _WORDS.items():
        if name not in found or name not in ranges:
            continue
        low, high = ranges[name]
        if not low / SLACK <= found[name] <= high * SLACK:
            span = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
            said.append(f"The {word} is {found[name]:.6g}; the fitted curves have {span}.")
    return tuple(said)
