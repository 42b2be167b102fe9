"""The questions that ``dcpt plan --schedule`` answers, each as one call and its answer in words and rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dcpt.cli.curve_asking import Answer, Question, loss_with_ends
from dcpt.cli.curve_sweeps import anneal_share, final_loss, peak, potential, replay, rewarm
from dcpt.core.errors import ConfigError
from dcpt.core.quantity import parse_share

if TYPE_CHECKING:
    from dcpt.plan.schedule.caveat import ScheduleCaveat
    from dcpt.plan.schedule.critical import CriticalPoint
    from dcpt.plan.schedule.setting import Setting


def turning(asked: Question) -> Answer:
    """After how many steps the general loss is back at its start."""
    from dcpt.plan.schedule.reach import doubts
    from dcpt.plan.schedule.turning import turning_length

    longest = asked.longest or 10 * asked.setting.steps
    found = turning_length(asked.general(), asked.setting, longest, level=asked.level)
    if found.steps is None:
        words = f"the general loss is not back at {found.start:.4f} within {longest} steps"
    elif found.steps == 0:
        words = f"the general loss never rises above its start, {found.start:.4f}"
    else:
        ends = "" if found.lo is None else f" ({found.lo:.0f} to {found.hi:.0f})"
        words = f"the general loss is back at {found.start:.4f} after {found.steps} steps{ends}"
    if found.returns is not None:
        words += f"; it comes back in {100 * found.returns:.0f} % of the refits"
    caveats = (*doubts(asked.aim, [asked.setting]), *_too_long(asked, found.steps))
    return Answer(words, vars(found), caveats=caveats)


def _too_long(asked: Question, steps: int | None) -> list[ScheduleCaveat]:
    """A caveat on a run of so many steps, where it is longer than the fitted curves."""
    from dataclasses import replace

    from dcpt.plan.schedule.caveat import ScheduleCaveat
    from dcpt.plan.schedule.outside import outside_curves

    cpt = asked.setting.schedule
    if not steps or steps <= cpt.steps:
        return []
    decay = min(round(cpt.decay * steps / cpt.steps), steps - cpt.warmup)
    longer = replace(asked.setting, cpt=replace(cpt, steps=steps, decay=decay))
    beyond = outside_curves([asked.general()], [longer])[0]
    if not beyond:
        return []
    return [
        ScheduleCaveat(
            "extrapolates_horizon", f"A run of {steps} steps is not like the fitted ones: {beyond}."
        )
    ]


def critical(asked: Question) -> Answer:
    """From how much pre-training on the general loss never comes back."""
    from dcpt.core.schedule import Schedule
    from dcpt.plan.schedule.critical import critical_area, critical_steps

    fit, setting = asked.general(), asked.setting
    share = None if setting.r is None else 1.0 - setting.r
    area = critical_area(fit, share, asked.level)
    facts: dict[str, Any] = {"area": _point(area)}
    words = f"at constant rates: {_point_words(area, 'forward area (rate x steps) of pre-training')}"
    if isinstance(setting.pre, Schedule) and fit.law.two_phase:
        longest = asked.longest or 100 * setting.pre.steps
        steps = critical_steps(fit, setting, longest, level=asked.level)
        facts |= {"steps": _point(steps), "longest": longest, "pre_steps": setting.pre.steps}
        words += f"\nwith these schedules: {_point_words(steps, 'steps of pre-training')}"
        words += f" (of up to {longest}; the base has {setting.pre.steps})"
    return Answer(words, facts)


def _point(found: CriticalPoint) -> dict[str, Any]:
    return {name: None if value is None else float(value) for name, value in vars(found).items()}


def _point_words(found: CriticalPoint, what: str) -> str:
    import math

    if math.isinf(found.value):
        return "the general loss can always come back"
    if found.value == 0:
        return "the general loss never comes back"
    ends = "" if found.lo is None else f" ({found.lo:.4g} to {found.hi:.4g})"
    return f"the general loss comes back up to {found.value:.4g}{ends} {what}"


def balanced(asked: Question) -> Answer:
    """The best run for every balance, over annealing, peak and replay together."""
    from dcpt.core.symbols import DOMAIN
    from dcpt.plan.schedule.balance import WEIGHTS, balance

    general = asked.general()
    if DOMAIN not in asked.fits:
        raise ConfigError("a balance needs both sides; the domain loss is not among the fits.")
    domain = asked.fits[DOMAIN]
    runs = grid(asked.setting, all("s" in fit.law.needs for fit in (general, domain)))
    from_start = asked.setting.switch > 0
    found = balance(general, domain, runs, asked.values or WEIGHTS, from_start=from_start)
    notes = () if from_start else ("pre-training is not known: final losses count, not changes",)
    return Answer(
        f"the best of {len(runs)} runs for every weight on the general loss",
        {"runs": len(runs), "from_start": from_start},
        found.frame.to_dict("records"),
        found.caveats,
        notes=notes,
    )


GRID_SHARES = (0.0, 0.1, 0.2, 0.35, 0.5)
GRID_PEAKS = (0.25, 0.5, 1.0, 2.0)
GRID_MIXTURES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
"""Anneal shares, peaks (as multiples of the schedule's) and domain shares that a balance compares."""


def grid(setting: Setting, mixtures: bool) -> dict[str, Setting]:
    """Runs that differ in annealing, peak and, where the laws know it, mixture; by name."""
    from dataclasses import replace

    from dcpt.core.schedule import Schedule

    cpt = setting.schedule
    runs: dict[str, Setting] = {}
    for factor in GRID_PEAKS:
        for share in GRID_SHARES:
            decay = round(share * cpt.steps)
            if decay + cpt.warmup > cpt.steps:
                continue
            wsd = Schedule("wsd", cpt.peak * factor, cpt.steps, cpt.warmup, decay, "1-sqrt", cpt.floor)
            own = replace(setting, cpt=wsd).with_peak(wsd.peak)
            name = f"peak {wsd.peak:.3g}, anneal {share:g}"
            if not mixtures:
                runs[name] = own
                continue
            runs |= {f"{name}, r {r:g}": replace(own, r=r) for r in GRID_MIXTURES}
    return runs


def optimised(asked: Question) -> Answer:
    """The best of all rates that never rise after the warm-up."""
    from dcpt.plan.schedule.optimise import best_schedule
    from dcpt.plan.schedule.outside import outside_curves

    found = best_schedule(asked.aim, asked.setting, asked.floor, asked.level)
    ends = "" if found.gain_lo is None else f" ({found.gain_lo:.4f} to {found.gain_hi:.4f})"
    words = (
        f"objective {found.objective:.4f}, {found.gain:.4f}{ends} less than with the schedule asked about; "
        f"the rate leaves its plateau for the last {100 * found.anneal_share:.0f} % of the steps"
    )
    sides = [fit.side for fit in asked.aim.fits]
    rows = [
        {
            "side": side,
            **loss_with_ends("loss", loss, asked.level),
            "outside": outside_curves([fit], [found.setting])[0],
        }
        for side, loss, fit in zip(sides, found.losses, asked.aim.fits, strict=True)
    ]
    facts = {name: getattr(found, name) for name in ("objective", "gain", "gain_lo", "gain_hi")}
    facts |= {"anneal_share": found.anneal_share, "tail": found.tail}
    return Answer(words, facts, rows, found.caveats, (found.setting,), found.rates)


LATE_SHARES = (0.25, 0.5, 0.75, 0.9, 0.97)
"""Domain shares of the last part of a run that are compared; without any replay some laws have no limit."""


def upsampled(asked: Question) -> Answer:
    """A richer domain share in the last part of the run."""
    from dcpt.plan.schedule.upsampling import upsample_late

    r = asked.setting.r
    if r is None:
        raise ConfigError("up-sampling: the run's mixture is not given.", hint="pass --at r=0.3")
    shares = asked.values or tuple(share for share in LATE_SHARES if share > r)
    found = upsample_late(asked.aim, asked.setting, shares, level=asked.level)
    best = found.best
    ends = "" if found.gain_lo is None else f" ({found.gain_lo:.4f} to {found.gain_hi:.4f})"
    words = (
        f"r = {r:g} throughout is best"
        if best.r_late is None
        else f"best: r = {best.r_late:g} in the last {100 * best.late_steps / best.steps:.0f} % of the "
        f"steps; against the same mean share throughout it gains {found.gain:.4f}{ends}"
    )
    facts = {"r": r, "r_late": best.r_late, "late_steps": best.late_steps, "gain": found.gain}
    facts |= {"gain_lo": found.gain_lo, "gain_hi": found.gain_hi}
    return Answer(words, facts, found.frame.to_dict("records"), found.caveats, (best,))


QUESTIONS: dict[str, Callable[[Question], Answer]] = {
    "final-loss": final_loss,
    "anneal-share": anneal_share,
    "peak": peak,
    "rewarm": rewarm,
    "replay": replay,
    "potential": potential,
    "turning-length": turning,
    "critical-point": critical,
    "balance": balanced,
    "best-schedule": optimised,
    "upsampling": upsampled,
}
"""What --ask takes."""

_WEIGHED = ("--weight", "--from-start")

TAKES: dict[str, tuple[str, ...]] = {
    "final-loss": _WEIGHED,
    "anneal-share": ("--values", *_WEIGHED),
    "peak": ("--values", *_WEIGHED),
    "rewarm": ("--values", *_WEIGHED),
    "replay": ("--values", *_WEIGHED),
    "potential": ("--values", *_WEIGHED),
    "turning-length": ("--longest",),
    "critical-point": ("--longest",),
    "balance": ("--values",),
    "best-schedule": ("--floor", *_WEIGHED),
    "upsampling": ("--values", *_WEIGHED),
}
"""Flags that a question reads, of those that not all of them do."""

OF_SHARES = {
    "anneal-share": "shares of the steps",
    "replay": "general shares of the tokens",
    "balance": "weights of the general loss",
    "upsampling": "domain shares of the tokens",
}
"""Questions whose --values are shares, and of what."""


def check_flags(
    ask: str,
    weight: float | None,
    from_start: bool,
    values: str | None,
    longest: str | None,
    floor: float,
) -> None:
    """Refuse flags that a question does not read.

    Raises
    ------
    ConfigError
        Naming the first of them, and the questions that read it.
    """
    given = {
        "--weight": weight is not None,
        "--from-start": from_start,
        "--values": values is not None,
        "--longest": longest is not None,
        "--floor": floor != 0,
    }
    for flag, there in given.items():
        if there and flag not in TAKES[ask]:
            readers = ", ".join(name for name, flags in TAKES.items() if flag in flags)
            hint = f"it belongs to {readers}"
            if (ask, flag) == ("balance", "--weight"):
                hint = f"a balance compares several weights: pass --values {weight:g}"
            raise ConfigError(f"{flag} means nothing for the question {ask}; drop it.", hint=hint)
    if values is not None and ask in OF_SHARES:
        shares_as_numbers(ask, values)


def shares_as_numbers(ask: str, values: str | None) -> str | None:
    """`values` with shares in per cent written as numbers, for questions that compare shares.

    Raises
    ------
    ConfigError
        When one is no share.
    """
    if values is None or ask not in OF_SHARES:
        return values
    found = []
    for text in filter(None, map(str.strip, values.split(","))):
        number = parse_share(text, "--values")
        if not 0 <= number <= 1:
            raise ConfigError(
                f"--values {values}: got {text}; {ask} compares {OF_SHARES[ask]}, numbers in [0, 1].",
                hint=f"write {number / 100:g} for {number:g} %" if 1 < number <= 100 else None,
            )
        found.append(f"{number:.12g}")
    return ",".join(found)
