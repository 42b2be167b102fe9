"""A run that a question about schedules is asked of: flags to fits, history and setting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.core.curve import RateHistory
    from dcpt.core.schedule import Schedule
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.laws.curves import CurveLaw
    from dcpt.plan.schedule.setting import Setting


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
    """

    cpt: Schedule
    pre: Schedule | None
    at: dict[str, float]
    notes: tuple[str, ...]

    @property
    def history(self) -> RateHistory:
        """The rates of both, joined."""
        return self.setting.history()

    @property
    def setting(self) -> Setting:
        """The run as the decisions take it."""
        from dcpt.plan.schedule.setting import Setting

        return Setting(self.cpt, self.pre, self.at.get("r"), self.at.get("N"))

    def given(self, law: CurveLaw, side: str) -> dict[str, float]:
        """Constants that a law reads for the losses of a side.

        Raises
        ------
        ConfigError
            When one is not given.
        """
        from dcpt.core.symbols import GENERAL

        found = dict(self.at)
        if "r" in found:
            found["s"] = 1.0 - found["r"] if side == GENERAL else found["r"]
        for name in law.needs:
            if name not in found:
                own = "r" if name == "s" else name
                raise ConfigError(
                    f"law {law.name} reads {own}; it is not given.", hint=f"pass --at {own}=..."
                )
        return found


def asked_of(fits: CurveFits, schedule: str, base_schedule: str | None, at: list[str]) -> Asked:
    """What the flags ask of some fits; without a base schedule, that of the fitted curves.

    Raises
    ------
    ConfigError
        When a flag cannot be read, or pre-training has to be known and is not.
    """
    from dcpt.cli.curve_reading import base_schedule_of, read_schedule_text
    from dcpt.core.schedule import Schedule

    found = read_schedule_text(schedule, "--schedule")
    pre = base_schedule_of(base_schedule)
    notes: list[str] = []
    if not isinstance(found, Schedule):
        if pre is not None:
            raise ConfigError("--schedule has pre-training in front (|), and so has --base-schedule.")
        found, pre = found.cpt, found.pre
    elif pre is None and len(fits.base_schedules) == 1:
        pre = base_schedule_of(fits.base_schedules[0])
        notes.append(f"pre-training is that of the fitted curves: {fits.base_schedules[0]}")
    elif pre is None:
        two_phase = [fit.law.name for fit in fits if fit.law.two_phase]
        if two_phase:
            several = (
                f"the fitted curves have {len(fits.base_schedules)} of them" if fits.base_schedules else ""
            )
            raise ConfigError(
                f"law {two_phase[0]} needs the schedule of pre-training{f'; {several}' if several else ''}.",
                hint="pass --base-schedule TEXT, or --schedule 'PRE | CPT'",
            )
    return Asked(found, pre, _constants(at), tuple(notes))


def open_curves(path: Path) -> CurveFits:
    """Fits of curves from their folder or file.

    Raises
    ------
    DataError
        When there are none; the hint says how they are made.
    """
    from dcpt.core.errors import DataError
    from dcpt.fit.loss_curves.curve_file import FILE_NAME, CurveFits

    file = path if path.suffix == ".json" else path / FILE_NAME
    if file.exists():
        return CurveFits.load(file)
    raise DataError(
        f"{file}: no such file; --schedule asks fits of loss curves.",
        hint="make some: dcpt fit curves.csv --law auto-curve -o FOLDER",
    )


def _constants(texts: list[str]) -> dict[str, float]:
    from dcpt.core.quantity import parse_assignments, parse_quantity

    found: dict[str, float] = {}
    for text in texts:
        for name, value in parse_assignments(text, "--at").items():
            found[name] = parse_quantity(value, f"--at {name}")
    if "s" in found:
        raise ConfigError("--at: 's' follows from r and the side of the loss; give r, the domain share.")
    if not 0 <= found.get("r", 0.0) <= 1:
        raise ConfigError(f"--at: r is {found['r']:g}; wanted a share in [0, 1].")
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
