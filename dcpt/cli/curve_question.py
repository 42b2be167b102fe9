"""A run that a question about schedules is asked of: flags to fits, history and setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.core.curve import RateHistory
    from dcpt.core.schedule import Schedule
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.curve_fit import CurveFit
    from dcpt.plan.schedule.setting import Setting


_ANY_SHARE = 0.5
"""Stands in for the share of a run whose share is asked; no answer depends on it."""


@dataclass(frozen=True)
class Asked:
    """A run to be predicted.

    Attributes
    ----------
    cpt, pre : Schedule
        The schedules; `pre` is None when no pre-training stands in front.
    at : mapping
        Constants: r, N, L0 and what else a law reads.
    notes : tuple of str
        What was taken for granted.
    constants : mapping
        Evaluation set to what its laws read beside the rates.
    """

    cpt: Schedule
    pre: Schedule | None
    at: dict[str, float]
    notes: tuple[str, ...] = ()
    constants: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def history(self) -> RateHistory:
        """The rates of both, joined."""
        from dcpt.plan.schedule.setting import Setting

        return Setting(self.cpt, self.pre).history()

    def setting(self, fits: Sequence[CurveFit]) -> Setting:
        """The run as decisions from these fits, one per side, take it.

        Raises
        ------
        ConfigError
            When they start from different general losses of the base.
        """
        from dcpt.core.symbols import GENERAL
        from dcpt.plan.schedule.setting import Setting

        losses: dict[str, float] = {}
        for fit in fits:
            for name, side in (("L0", fit.side), ("G0", GENERAL)):
                value = self.constants[fit.eval_set].get(name)
                if value is not None and losses.setdefault(side, value) != value:
                    raise ConfigError(
                        f"{fit.eval_set}: the base's general loss is {value:.4f} here and "
                        f"{losses[side]:.4f} among the other fits; wanted one.",
                        hint="say it: --at G0=...,L0=...",
                    )
        return Setting(self.cpt, self.pre, self.at.get("r"), self.at.get("N"), base_losses=losses)


def asked_of(
    fits: CurveFits,
    used: Sequence[CurveFit],
    schedule: str,
    base_schedule: str | None,
    at: list[str],
    open_share: bool = False,
) -> Asked:
    """What the flags ask of some fits; without a base schedule, that of the fitted curves.

    Parameters
    ----------
    fits : CurveFits
        The file: its bases stand in for what the flags leave out.
    used : sequence of CurveFit
        Those of them that are asked.
    schedule, base_schedule, at
        The flags.
    open_share : bool
        Whether the question finds the domain share itself, so that none need be given.

    Raises
    ------
    ConfigError
        When a flag cannot be read, or something has to be known and is not.
    """
    from dataclasses import replace

    from dcpt.cli.curve_bases import BASE_CONSTANTS, base_constants

    told = _constants(at)
    if open_share:
        told.setdefault("r", _ANY_SHARE)
    asked = _run_of(fits, used, schedule, base_schedule, told)
    reads = {name for fit in used for name in fit.law.needs}
    allowed = ["r", "N", *(BASE_CONSTANTS if reads & set(BASE_CONSTANTS) else ())]
    allowed += sorted(reads - {"s", *allowed})
    odd = [name for name in asked.at if name not in allowed]
    if odd:
        raise ConfigError(
            f"--at: {odd[0]!r} is unknown to questions about these fits; wanted {', '.join(allowed)}."
        )
    sides = frozenset(fit.side for fit in used if set(BASE_CONSTANTS) & set(fit.law.needs))
    history, bases = asked.history, fits.provenance.get("bases", {})
    constants: dict[str, dict[str, float]] = {}
    notes = list(asked.notes)
    for fit in used:
        found, note = _given(asked.at, fit), ""
        if fit.side in sides:
            measured, note = base_constants(fit, sides, asked.at, history, bases.get(fit.eval_set, ()))
            found |= measured
        notes += [note] if note and note not in notes else []
        constants[fit.eval_set] = constants.get(fit.eval_set, {}) | found
    return replace(asked, notes=tuple(notes), constants=constants)


def _given(at: Mapping[str, float], fit: CurveFit) -> dict[str, float]:
    """Constants that the law of a fit reads, but for losses of the base."""
    from dcpt.cli.curve_bases import BASE_CONSTANTS
    from dcpt.core.symbols import GENERAL

    found = {name: value for name, value in at.items() if name not in BASE_CONSTANTS}
    if "r" in found:
        found["s"] = 1.0 - found["r"] if fit.side == GENERAL else found["r"]
    for name in fit.law.needs:
        if name not in found and name not in BASE_CONSTANTS:
            own = "r" if name == "s" else name
            raise ConfigError(
                f"law {fit.law.name} reads {own}; it is not given.", hint=f"pass --at {own}=..."
            )
    return found


def _run_of(
    fits: CurveFits,
    used: Sequence[CurveFit],
    schedule: str,
    base_schedule: str | None,
    at: dict[str, float],
) -> Asked:
    from dcpt.cli.curve_reading import base_schedule_of, read_schedule_text
    from dcpt.core.schedule import Schedule

    found = read_schedule_text(schedule, "--schedule")
    pre = base_schedule_of(base_schedule)
    notes: list[str] = []
    if not isinstance(found, Schedule):
        if pre is not None:
            raise ConfigError("--schedule has pre-training in front (|), and so has --base-schedule.")
        pre, found = found.pre, found.cpt
    elif pre is None and len(fits.base_schedules) == 1:
        pre = base_schedule_of(fits.base_schedules[0])
        notes.append(f"pre-training is that of the fitted curves: {fits.base_schedules[0]}")
    elif pre is None:
        two_phase = [fit.law.name for fit in used if fit.law.two_phase]
        if two_phase:
            several = (
                f"the fitted curves have {len(fits.base_schedules)} of them" if fits.base_schedules else ""
            )
            raise ConfigError(
                f"law {two_phase[0]} needs the schedule of pre-training{f'; {several}' if several else ''}.",
                hint="pass --base-schedule TEXT, or --schedule 'PRE | CPT'",
            )
    for flag, part in (("--schedule", found), ("the schedule of pre-training", pre)):
        if part is not None and part.steps < 1:
            raise ConfigError(f"{flag}: {part.text} has no steps; wanted at least one.")
    return Asked(found, pre, at, tuple(notes))


def open_curves(path: Path) -> CurveFits:
    """Fits of curves from their folder or file.

    Raises
    ------
    DataError
        When there are none; the hint says how they are made.
    """
    from dcpt.core.errors import DataError
    from dcpt.fit.loss_curves.curve_file import FILE_NAME, CurveFits

    named = path.is_file() or (path.suffix == ".json" and not path.is_dir())
    file = path if named else path / FILE_NAME
    if file.exists():
        return CurveFits.load(file)
    raise DataError(
        f"{file}: no such file; --schedule asks fits of loss curves.",
        hint="make some: dcpt fit curves.csv --law auto-curve -o FOLDER",
    )


_POSITIVE = {
    "N": "a number of parameters",
    "L0": "the base's loss in nats per token",
    "G0": "the base's general loss in nats per token",
}


def _constants(texts: list[str]) -> dict[str, float]:
    from dcpt.core.quantity import parse_assignments, parse_named

    found: dict[str, float] = {}
    for text in texts:
        for name, value in parse_assignments(text, "--at").items():
            found[name] = parse_named(name, value, f"--at {name}")
    if "s" in found:
        raise ConfigError("--at: 's' follows from r and the side of the loss; give r, the domain share.")
    if not 0 <= found.get("r", 0.0) <= 1:
        raise ConfigError(f"--at: r is {found['r']:g}; wanted a share in [0, 1].")
    for name, what in _POSITIVE.items():
        if name in found and not found[name] > 0:
            raise ConfigError(f"--at: {name} is {found[name]:g}; wanted {what}, more than 0.")
    return found


def steps_of(text: str | None, asked: Asked) -> Any:
    """Steps of the joined history behind ``100,200``; the last one without a text.

    Raises
    ------
    ConfigError
        When one is no step of the schedule.
    """
    import numpy as np

    from dcpt.core.quantity import parse_quantity

    switch, last = (0 if asked.pre is None else asked.pre.steps), asked.cpt.steps
    if text is None:
        return np.array([switch + last])
    steps = sorted({parse_quantity(part, "--steps") for part in text.split(",") if part.strip()})
    for step in steps:
        if step != int(step) or not (1 if not switch else 0) <= step <= last:
            raise ConfigError(
                f"--steps: {step:g} is no step of the schedule; wanted whole numbers up to {last}, counted "
                "from its start."
            )
    if not steps:
        raise ConfigError("--steps: names no step.")
    return np.array(steps, dtype=np.int64) + switch
