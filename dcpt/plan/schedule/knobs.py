"""The knobs of a run, each swept by itself: annealing, peak, re-warm-up, replay, loss potential."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_shapes import NEEDS_FLOOR, Shape
from dcpt.core.symbols import GENERAL
from dcpt.laws.curves import CurveLaw
from dcpt.laws.curves.cpt_dynamics import DynamicsLaw
from dcpt.laws.curves.joint_general import JointGeneral
from dcpt.plan.schedule.aim import Aim
from dcpt.plan.schedule.forecast import FittedCurves
from dcpt.plan.schedule.setting import Setting
from dcpt.plan.schedule.sweep import ScheduleSweep, sweep_settings

ANNEAL_SHARES = (0.0, 0.02, 0.05, *(round(0.1 * step, 1) for step in range(1, 10)), 0.15, 0.25, 0.35)
"""Shares of the steps that the annealing is tried on."""

POTENTIALS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Rates at the end of pre-training, as shares of its peak."""

REPLAY_SHARES = (0.01, 0.02, 0.05, *(round(0.1 * step, 1) for step in range(1, 10)), 0.95)
"""General shares of the training tokens."""


def sweep_annealing(
    aim: Aim,
    setting: Setting,
    shares: Iterable[float] = ANNEAL_SHARES,
    shape: Shape = "1-sqrt",
    level: float = 0.9,
) -> ScheduleSweep:
    """How much of the run is best spent on the decay of a warm-up, stable, decay schedule.

    Parameters
    ----------
    aim : Aim
        What is to be least.
    setting : Setting
        The run; peak, steps, warm-up and floor are kept.
    shares : iterable of float
        Shares of the steps the decay takes.
    shape : str
        Form of the decay.
    level : float
        Probability of the intervals.

    Raises
    ------
    ConfigError
        When a share leaves no room for the warm-up.
    """
    cpt = setting.schedule
    pairs = []
    for share in sorted(set(shares)):
        decay = _steps(share, cpt.steps, "anneal share")
        if decay + cpt.warmup > cpt.steps:
            continue
        wsd = Schedule(
            "wsd", cpt.peak, cpt.steps, cpt.warmup, decay, shape, cpt.floor, warmup_from=cpt.warmup_from
        )
        pairs.append((share, replace(setting, cpt=wsd)))
    return sweep_settings(aim, "anneal_share", pairs, level)


def sweep_peak(aim: Aim, setting: Setting, peaks: Iterable[float], level: float = 0.9) -> ScheduleSweep:
    """Which peak rate of continual pre-training is best; the re-warm-up begins at the base's last rate.

    Raises
    ------
    ConfigError
        When the rates are a table, which has no peak to vary.
    PlanError
        When nothing in the aim speaks against a high rate: every term of a law of one phase, and of a domain
        loss, falls as the rates grow, so that the best peak is always the highest one asked for.
    """
    _no_table(setting, "peak")
    if not any(_shifts_up(fit) for fit, _ in aim.active):
        raise PlanError(
            "peak rate: the laws of this aim expect less loss of any higher peak; they cannot choose one.",
            hint="give the general loss a weight, with a fit of cpt-dynamics whose shift K is not 0, or of "
            "joint-general whose cost S is not",
        )
    return sweep_settings(aim, "peak", [(peak, setting.with_peak(peak)) for peak in peaks], level)


def sweep_rewarm(aim: Aim, setting: Setting, steps: Iterable[int], level: float = 0.9) -> ScheduleSweep:
    """How many steps of re-warm-up are best; it begins at the base's last rate.

    Raises
    ------
    ConfigError
        When the rates are a table, which has no re-warm-up to vary.
    """
    _no_table(setting, "re-warm-up")
    return sweep_settings(
        aim, "rewarm_steps", [(count, setting.with_rewarm(count)) for count in steps], level
    )


def sweep_replay(
    aim: Aim, setting: Setting, shares: Iterable[float] = REPLAY_SHARES, level: float = 0.9
) -> ScheduleSweep:
    """Which share of replay (general tokens) is best; the domain share is the rest.

    Raises
    ------
    ConfigError
        When a law of the aim does not know the mixture.
    """
    check_mixture(aim)
    pairs = [(share, replace(setting, r=1.0 - share)) for share in shares]
    return sweep_settings(aim, "replay", pairs, level)


def sweep_potential(
    aim: Aim,
    setting: Setting,
    decay: int | None = None,
    potentials: Iterable[float] | None = None,
    shape: Shape | None = None,
    level: float = 0.9,
) -> ScheduleSweep:
    """How far pre-training should be annealed before continual pre-training.

    The loss potential is the rate at the end of pre-training as a share of its peak: 1 stands for a base that
    was not annealed, 0 for one annealed to a rate of 0.

    Parameters
    ----------
    aim : Aim
        What is to be least: final losses, or with ``from_start`` changes from the base's.
    setting : Setting
        The run; its `pre` is a schedule, of which peak, steps and warm-up are kept.
    decay : int, optional
        Steps of pre-training that the annealing takes; by default the base's own decay, `OTHER_DECAY` of a
        base that has none.
    potentials : iterable of float, optional
        Loss potentials; by default `POTENTIALS`, without 0 where the decay never gets there.
    shape : str, optional
        Form of the decay, where it is not to be the base's own; linear for a base that has none.
    level : float
        Probability of the intervals.

    Raises
    ------
    ConfigError
        When pre-training follows no schedule that can be varied, a potential is no share, or a law starts
        from the measured loss of the base, which another pre-training would change.

    References
    ----------
    Wang et al. 2025, arXiv:2505.07796, Section 4 (Finding 3).
    """
    pre = setting.pre
    if not isinstance(pre, Schedule) or pre.kind not in _ANNEALED:
        raise ConfigError(
            "loss potential: the setting's pre-training follows no schedule that can be varied; wanted "
            f"{', '.join(_ANNEALED)}."
        )
    for fit, _ in aim.active:
        if {"L0", "G0"} & set(fit.law.needs):
            raise ConfigError(
                f"loss potential: law {fit.law.name} starts from the measured loss of the base, and does not "
                "say what another pre-training would make of it.",
                hint="ask a fit of cpt-dynamics",
            )
    pairs = []
    form = _form(pre, shape)
    if potentials is None:
        potentials = [value for value in POTENTIALS if value > 0 or form not in NEEDS_FLOOR]
    for potential in potentials:
        if not 0 <= potential <= 1:
            raise ConfigError(f"loss potential: got {potential:g}; wanted a share in [0, 1].")
        pairs.append((potential, setting.with_pre(_annealed(pre, decay, shape, potential))))
    return sweep_settings(aim, "potential", pairs, level)


_ANNEALED = ("constant", "cosine", "linear", "wsd")

OTHER_DECAY = 0.2
"""Share of pre-training that its annealing is tried on where the base was not annealed."""


def _form(pre: Schedule, shape: Shape | None) -> Shape:
    return shape or (pre.shape if pre.kind == "wsd" and pre.decay else "linear")


def _annealed(pre: Schedule, decay: int | None, shape: Shape | None, potential: float) -> Schedule:
    """Pre-training annealed down to a share of its peak, in its own form where none is named."""
    if decay is None and shape is None and pre.kind in ("cosine", "linear"):
        return replace(pre, floor=potential)
    own = pre.decay or min(round(OTHER_DECAY * pre.steps), pre.steps - pre.warmup)
    form = _form(pre, shape)
    steps = own if decay is None else decay
    if potential == 0 and form in NEEDS_FLOOR:
        raise ConfigError(
            f"loss potential: the base's {form} decay never gets to a rate of 0; wanted values above 0.",
            hint="pass --values 0.1,0.3,1",
        )
    return Schedule(
        "wsd", pre.peak, pre.steps, pre.warmup, steps, form, potential, warmup_from=pre.warmup_from
    )


def check_mixture(aim: Aim) -> None:
    """Refuse laws that do not know the mixture.

    Raises
    ------
    ConfigError
        When the shift of a fit of the aim does not depend on the mixture.
    """
    for fit, _ in aim.active:
        if not _knows_mixture(fit.law):
            raise ConfigError(
                f"replay: law {fit.law.name} ({fit.side} loss) does not know the mixture; wanted one that "
                "does.",
                hint="fit cpt-dynamics+replay or +share-clock, or a joint law, to curves of several mixtures",
            )


def _knows_mixture(law: CurveLaw) -> bool:
    return law.knows_mixture if isinstance(law, DynamicsLaw) else "s" in law.needs


def _no_table(setting: Setting, knob: str) -> None:
    if setting.schedule.kind == "table":
        raise ConfigError(
            f"{knob}: the schedule is a table of rates, which has no {knob} to vary.",
            hint="give it as text: 'wsd(peak=1e-3, steps=2k, warmup=50, decay=20%)'",
        )


def _shifts_up(fit: FittedCurves) -> bool:
    if isinstance(fit.law, JointGeneral):
        return fit.params["S"] > 0
    return isinstance(fit.law, DynamicsLaw) and fit.side == GENERAL and fit.params["K"] > 0


def _steps(share: float, steps: int, what: str) -> int:
    if not 0 <= share <= 1:
        raise ConfigError(f"{what}: got {share:g}; wanted a share in [0, 1].")
    return round(share * steps)
