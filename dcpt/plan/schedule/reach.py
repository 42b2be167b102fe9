"""Where settings leave what the fitted curves covered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dcpt.plan.schedule.aim import Aim
from dcpt.plan.schedule.caveat import ScheduleCaveat
from dcpt.plan.schedule.setting import Setting

FAR = 3.0
"""Times the largest fitted forward area beyond which a law of curves is doubted."""

_SLACK = 1.05
_NAMES = {"s": "share", "N": "size"}


def doubts(aim: Aim, settings: Sequence[Setting]) -> tuple[ScheduleCaveat, ...]:
    """Caveats that hold for some of the settings, each once."""
    found = [item for fit, _ in aim.active for item in _of_fit(fit.ranges, fit.side, settings)]
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


def _of_fit(
    known: Mapping[str, tuple[float, float]], side: str, settings: Sequence[Setting]
) -> Iterator[ScheduleCaveat]:
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
    for key, word in _NAMES.items():
        wanted = [
            setting.given(side)[name]
            for setting in settings
            for name in (key, f"{key}_late")
            if name in setting.given(side)
        ]
        if key in known and wanted:
            low, high = known[key]
            if max(wanted) > high * _SLACK or min(wanted) < low / _SLACK:
                yield ScheduleCaveat(
                    "extrapolates_s" if key == "s" else "extrapolates_N",
                    f"The {word} {key} = {min(wanted):.3g} to {max(wanted):.3g} leaves the fitted "
                    f"{low:.3g} to {high:.3g} ({side} loss).",
                )
