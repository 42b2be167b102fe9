"""Where settings leave what the fitted curves covered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dcpt.plan.schedule.aim import Aim, Priced
from dcpt.plan.schedule.caveat import ScheduleCaveat, ScheduleCaveatKind
from dcpt.plan.schedule.forecast import FittedCurves
from dcpt.plan.schedule.low_rates import low_rate_doubts
from dcpt.plan.schedule.setting import Setting

FAR = 3.0
"""Times the largest fitted forward area beyond which a law of curves is doubted."""

_SLACK = 1.05
_NAMES: Mapping[str, tuple[str, ScheduleCaveatKind]] = {
    "s": ("share", "extrapolates_s"),
    "N": ("size", "extrapolates_N"),
    "L0": ("base's loss", "extrapolates_base"),
    "G0": ("base's general loss", "extrapolates_base"),
}


def doubts(aim: Aim, settings: Sequence[Setting]) -> tuple[ScheduleCaveat, ...]:
    """Caveats that hold for some of the settings, each once."""
    found = [
        item for fit, _ in aim.active for item in (*_of_fit(fit, settings), *low_rate_doubts(fit, settings))
    ]
    if any(fit.draws is None or not len(fit.draws) for fit, _ in aim.active):
        found.append(
            ScheduleCaveat("no_interval", "A fit has no bootstrap draws: the answer has no interval.")
        )
    if any(setting.r_late is not None for setting in settings):
        found.append(
            ScheduleCaveat(
                "late_mixture",
                "How a mixture that changes adds up is assumed, not fitted: shift and annealing gain with "
                "the mixture in force at each step, and nothing of the shift undone by a later one.",
            )
        )
    return tuple({(item.kind, item.message): item for item in found}.values())


def impossible(priced: Priced) -> tuple[ScheduleCaveat, ...]:
    """Caveats on expected losses of 0 or less, which no model has."""
    return tuple(
        ScheduleCaveat(
            "impossible_loss",
            f"The {side} loss is expected to be as low as {loss.mean.min():.3g}, which no model has: the "
            "law is asked far from what it was fitted to, or does not describe the fitted curves.",
        )
        for side, loss in zip(priced.sides, priced.losses, strict=True)
        if loss.mean.min() <= 0
    )


def _of_fit(fit: FittedCurves, settings: Sequence[Setting]) -> Iterator[ScheduleCaveat]:
    known, side = fit.ranges, fit.side
    histories = [setting.history() for setting in settings]
    if "peak" in known:
        low, high = known["peak"]
        peaks = [history.peak for history in histories]
        if max(peaks) > _SLACK * high or min(peaks) < low / _SLACK:
            yield ScheduleCaveat(
                "extrapolates_peak",
                f"Peaks from {min(peaks):.3g} to {max(peaks):.3g} are asked of the {side} loss, and the "
                f"fitted curves have {low:.3g} to {high:.3g}: these laws carry over to another peak badly.",
            )
    if "area" in known:
        reach = max(float(history.S1[-1]) for history in histories) / known["area"][1]
        if reach > FAR:
            yield ScheduleCaveat(
                "extrapolates_horizon",
                f"The forward area is {reach:.1f} times the largest fitted one ({side} loss; trusted up to "
                f"{FAR:g} times).",
            )
    for key, (word, kind) in _NAMES.items():
        wanted = [
            setting.given(side)[name]
            for setting in settings
            for name in (key, f"{key}_late")
            if name in setting.given(side)
        ]
        read = kind != "extrapolates_base" or key in fit.law.needs
        if key in known and wanted and read:
            low, high = known[key]
            if max(wanted) > high * _SLACK or min(wanted) < low / _SLACK:
                yield ScheduleCaveat(
                    kind,
                    f"The {word} {key} = {_span(min(wanted), max(wanted))} leaves the fitted "
                    f"{_span(low, high)} ({side} loss).",
                )


def _span(low: float, high: float) -> str:
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
