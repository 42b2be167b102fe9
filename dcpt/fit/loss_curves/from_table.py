"""Rows of losses -> curves: one per run, with the whole history of its rates and the rows of its trunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dcpt.core.curve import Curve
from dcpt.core.errors import DataError
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.core.table_rows import RUN
from dcpt.fit.loss_curves.base_curves import BASE, ON_THE_WAY, base_curve, base_loss, base_of, bases_alone
from dcpt.fit.loss_curves.curve_rows import SWITCH, CurveRows
from dcpt.fit.loss_curves.limits import CPT_PEAK
from dcpt.fit.loss_curves.run_history import HistoryOptions, run_history
from dcpt.fit.loss_curves.trunks import stitch

PLAIN = HistoryOptions()


@dataclass(frozen=True)
class Curves:
    """Curves of one evaluation set, and what is to be said about how they were made."""

    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    base_schedules: tuple[str, ...]


def curves_of(
    rows: CurveRows, eval_set: str, options: HistoryOptions = PLAIN, base_point: bool = True
) -> Curves:
    """The curves of an evaluation set.

    The rate of every step comes from a run's schedule, that of its base in front, or else from its logged
    rates. A branch of a trunk gets the trunk's losses up to where it leaves it, and its group; so does a run
    from a base that base's loss, at the last step of pre-training. What a base lost on the way there is a
    curve of its own.

    Parameters
    ----------
    rows : CurveRows
        From `read_curve_rows`.
    eval_set : str
        The set.
    options : HistoryOptions
        What the table does not say.
    base_point : bool
        Whether losses of the base are fitted; laws of an unknown base have none there.

    Raises
    ------
    DataError
        When the set is not there, the rates of a run are not known, or its steps leave its schedule.
    """
    frame = rows.frame[rows.frame["eval_set"] == eval_set]
    if not len(frame):
        raise DataError(f"evaluation set {eval_set!r} is not there; found {', '.join(rows.eval_sets)}.")
    side = _side(frame, eval_set)
    of_base = rows.frame["phase"].isin((BASE, ON_THE_WAY))
    bases = rows.frame[of_base]
    every = dict(iter(rows.frame.groupby("run_id", sort=False)))
    made: list[Curve] = []
    notes: list[str] = []
    assumed: dict[str, int] = {}
    known: dict[str, None] = {}
    counterpart = GENERAL + eval_set.removeprefix(side) if eval_set.startswith(side) else ""
    before: dict[str, Curve] = {}
    starts: dict[tuple[float, str], tuple[pd.DataFrame | None, float | None, float | None]] = {}
    for name, own in frame[~of_base.loc[frame.index]].groupby("run_id", sort=False):
        own = own.sort_values("step")
        history, offset, taken = run_history(str(name), every[name], options)
        if taken:
            assumed[str(name)] = taken
        text = str(own["base_schedule"].iloc[0])
        start = (float(own["N"].iloc[0]), text)
        if start not in starts:  # many runs start from one base
            base = base_of(bases, own)
            starts[start] = base, base_loss(base, eval_set), base_loss(base, counterpart)
        base, L0, G0 = starts[start]
        if not text and options.base_schedule is not None:
            text = options.base_schedule.text
        if text:
            known[text] = None
        given = _given(own, side)
        if L0 is None and history.switch and own["step"].iloc[0] + offset == history.switch:
            L0 = float(own["value"].iloc[0])
        given |= {key: value for key, value in (("L0", L0), ("G0", G0)) if value is not None}
        if history.switch:
            given[CPT_PEAK] = history.cpt_peak
        steps = own["step"].to_numpy(np.int64) + offset
        loss = own["value"].to_numpy(np.float64)
        if base_point and L0 is not None and history.switch and steps[0] > history.switch:
            steps, loss = np.insert(steps, 0, history.switch), np.insert(loss, 0, L0)
        seen = steps > (0 if base_point else history.switch)
        if not seen.any():
            continue
        made.append(
            Curve(
                str(name), history, steps[seen], loss[seen], given, _group(own), eval_set=eval_set, side=side
            )
        )
        if base_point and base is not None and history.switch and base["run_id"].iloc[0] not in before:
            front = base_curve(base, eval_set, made[-1])
            before |= {} if front is None else {front.name: front}
    if not made:
        made = list(bases_alone(bases, eval_set, side, options))
    if not made:
        raise DataError(f"evaluation set {eval_set!r}: no run has a loss beyond its start.")
    lives = {str(name): _life(own) for name, own in every.items()}
    stitched, contained = stitch(made, lives)
    if contained:
        notes.append(f"{', '.join(contained)}: all losses stand in branches too; it is no curve of its own.")
    if before:
        notes.append(
            f"{', '.join(before)}: losses of pre-training are fitted too; --where phase!={ON_THE_WAY} leaves "
            "them out, --burn-in STEPS the first of them."
        )
    if assumed:
        name, first = next(iter(assumed.items()))
        notes.append(
            f"Logs of {len(assumed)} runs begin after their start (that of {name} at step {first}) and no "
            "warm-up is told: the steps in front are taken for a linear one. --warmup STEPS says it."
        )
    return Curves((*before.values(), *stitched), tuple(dict.fromkeys(notes)), tuple(known))


def _side(frame: pd.DataFrame, eval_set: str) -> str:
    role = str(frame["role"].iloc[0])
    if role in (GENERAL, DOMAIN):
        return role
    if frame["r"].notna().any() or frame[SWITCH].notna().any() or (frame["base_schedule"] != "").any():
        raise DataError(
            f"evaluation set {eval_set!r} is neither general nor domain.",
            hint=f"say which side it measures: --role {eval_set}={DOMAIN}",
        )
    return GENERAL


def _given(own: pd.DataFrame, side: str) -> dict[str, float]:
    first = own.iloc[0]
    found: dict[str, float] = {}
    if np.isfinite(first["N"]):
        found["N"] = float(first["N"])
    if np.isfinite(first["r"]):
        r = float(first["r"])
        found |= {"r": r, "s": 1.0 - r if side == GENERAL else r}
    steps, tokens = own["step"].to_numpy(np.float64), own["D"].to_numpy(np.float64)
    trained = (steps > 0) & (tokens > 0)
    if trained.any():
        found["tokens_per_step"] = float(np.median(tokens[trained] / steps[trained]))
    return found


def _group(own: pd.DataFrame) -> str:
    return str(own[RUN].iloc[0]) or str(own["run_id"].iloc[0])


def _life(own: pd.DataFrame) -> tuple[object, ...]:
    """What two runs share that are one up to where their rates part; itself where too little is known."""
    first = own.iloc[0]
    if not first["schedule"] or not first["seed"] or not np.isfinite(first["N"]):
        return (first["run_id"],)
    return (first["N"], str(first["r"]), first["seed"], first["base_schedule"])
