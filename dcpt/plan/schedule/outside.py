"""What of a run lies outside the curves that its laws were fitted to, in a few characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dcpt.fit.loss_curves.limits import CPT_PEAK, SLACK
from dcpt.plan.schedule.forecast import FittedCurves
from dcpt.plan.schedule.setting import Setting

_SHARES = ("s", "L0", "G0")
"""Constants of a run whose factor says little: they are named alone."""


def outside_curves(fits: Iterable[FittedCurves], settings: Sequence[Setting]) -> list[str]:
    """Name what of each run lies outside any fit's range: peaks, steps, forward area, size, mixture, base.

    Parameters
    ----------
    fits : iterable of FittedCurves
        The fits of one question.
    settings : sequence of Setting
        The runs.

    Returns
    -------
    list of str
        For each run such as ``"peak 2x, steps 3.4x, s"``, or nothing. Steps count from the start of
        pre-training where that is known, as the curves' do.
    """
    chosen = tuple(fits)
    return [_of_run(chosen, setting) for setting in settings]


def _of_run(fits: Sequence[FittedCurves], setting: Setting) -> str:
    found: dict[str, float] = {}
    for fit in fits:
        for name, value, key in _asked(fit, setting):
            if key not in fit.ranges:
                continue
            low, high = fit.ranges[key]
            # A shorter run than the fitted ones is like a part of them.
            below = 0.0 if name in ("area", "steps") else low / value if value > 0 else float("inf")
            factor = max(value / high if high > 0 else 1.0, below)
            if factor > SLACK:
                found[name] = max(found.get(name, 0.0), factor)
    return ", ".join(name if name in _SHARES else f"{name} {factor:.3g}x" for name, factor in found.items())


def _asked(fit: FittedCurves, setting: Setting) -> Iterator[tuple[str, float, str]]:
    """What is asked of a fit: its name, its value, and the key of the range it belongs to."""
    history = setting.history()
    if CPT_PEAK in fit.ranges and history.switch:
        yield "peak", history.cpt_peak, CPT_PEAK
        yield "base peak", float(history.rates[: history.switch].max()), "peak"
    else:
        yield "peak", history.peak, "peak"
    yield "steps", float(len(history)), "horizon"
    yield "area", float(history.S1[-1]), "area"
    given = setting.given(fit.side)
    for name in fit.law.needs:
        for key in (name, f"{name}_late"):
            if key in given:
                yield name, given[key], name
