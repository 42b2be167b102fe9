"""Questions about one knob of a run: annealing, peak, re-warm-up, replay, loss potential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dcpt.cli.curve_asking import Answer, Question, loss_with_ends

if TYPE_CHECKING:
    from dcpt.plan.schedule.sweep import ScheduleSweep


def final_loss(asked: Question) -> Answer:
    """The losses at the end of the run."""
    from dcpt.plan.schedule.aim import price
    from dcpt.plan.schedule.outside import outside_curves
    from dcpt.plan.schedule.reach import doubts, impossible

    priced = price(asked.aim, [asked.setting])
    rows = []
    for index, side in enumerate(priced.sides):
        row: dict[str, Any] = {"side": side, **loss_with_ends("loss", priced.losses[index], asked.level)}
        if priced.changes:
            row |= loss_with_ends("change", priced.changes[index], asked.level)
        row["outside"] = outside_curves([asked.aim.fits[index]], [asked.setting])[0]
        rows.append(row)
    words = "; ".join(f"{row['side']} loss {row['loss']:.4f}{_ends(row, 'loss')}" for row in rows)
    objective = float(priced.objective.mean[0])
    caveats = (*doubts(asked.aim, [asked.setting]), *impossible(priced))
    return Answer(f"final {words}", {"objective": objective}, rows, caveats)


def _ends(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_lo"], row[f"{name}_hi"]
    return "" if low is None else f" ({low:.4f} to {high:.4f})"


def anneal_share(asked: Question) -> Answer:
    """How much of the run to spend on the decay."""
    from dcpt.plan.schedule.knobs import ANNEAL_SHARES, sweep_annealing

    cpt = asked.setting.schedule
    shape: Any = cpt.shape if cpt.kind == "wsd" else "1-sqrt"
    return _swept(
        sweep_annealing(asked.aim, asked.setting, asked.values or ANNEAL_SHARES, shape, asked.level),
        "share of the steps to anneal",
    )


def peak(asked: Question) -> Answer:
    """Which peak rate to go up to."""
    from dcpt.plan.schedule.knobs import sweep_peak

    own = asked.setting.schedule.peak
    values = asked.values or tuple(own * factor for factor in PEAK_FACTORS)
    return _swept(sweep_peak(asked.aim, asked.setting, values, asked.level), "peak rate")


PEAK_FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Peaks that are compared, as multiples of the schedule's."""

REWARM_SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Lengths of the re-warm-up that are compared, as shares of the steps."""


def rewarm(asked: Question) -> Answer:
    """How long to re-warm."""
    from dcpt.plan.schedule.knobs import sweep_rewarm

    steps = asked.setting.steps
    values = [round(value) for value in asked.values] or sorted(
        {round(part * steps) for part in REWARM_SHARES}
    )
    return _swept(sweep_rewarm(asked.aim, asked.setting, values, asked.level), "steps of re-warm-up")


def replay(asked: Question) -> Answer:
    """How much general text to keep in the mixture."""
    from dcpt.plan.schedule.knobs import REPLAY_SHARES, sweep_replay

    found = sweep_replay(asked.aim, asked.setting, asked.values or REPLAY_SHARES, asked.level)
    return _swept(found, "replay share")


def potential(asked: Question) -> Answer:
    """How far pre-training should be annealed first."""
    from dcpt.core.schedule import Schedule
    from dcpt.plan.schedule.knobs import sweep_potential

    found = sweep_potential(asked.aim, asked.setting, potentials=asked.values or None, level=asked.level)
    pre = found.setting.pre
    assert isinstance(pre, Schedule)  # the sweep refuses others
    how = f"{pre.shape} over its last {pre.decay} steps" if pre.kind == "wsd" else f"as a {pre.kind}"
    return _swept(
        found,
        "loss potential (last rate of pre-training as a share of its peak)",
        (
            f"pre-training anneals {how}, as the base did"
            if _annealed(asked)
            else f"pre-training anneals {how}",
        ),
    )


def _annealed(asked: Question) -> bool:
    """Whether the base asked about has a decay of its own."""
    pre: Any = asked.setting.pre
    return pre.kind in ("cosine", "linear") or pre.decay > 0


def _swept(found: ScheduleSweep, what: str, notes: tuple[str, ...] = ()) -> Answer:
    ends = "" if found.best_lo is None else f" ({found.best_lo:.6g} to {found.best_hi:.6g})"
    facts = {"knob": found.knob, "best": found.best, "best_lo": found.best_lo, "best_hi": found.best_hi}
    facts |= {"objective": found.loss, "schedule": found.setting.schedule.text}
    return Answer(
        f"best {what}: {found.best:.6g}{ends}",
        facts,
        found.frame.to_dict("records"),
        found.caveats,
        (found.setting,),
        notes=notes,
    )
