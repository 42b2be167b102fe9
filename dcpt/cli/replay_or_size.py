"""``dcpt plan --ask replay-or-size``: what a share of replay costs in model size, and whether it pays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dcpt.cli import show
from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity, parse_share

if TYPE_CHECKING:
    import pandas as pd

    from dcpt.core.loss_table import LossTable
    from dcpt.fit.fit_file import FitSet
    from dcpt.plan.objective import Objective

QUESTION = "replay-or-size"


def answer_replay_or_size(
    fitted: FitSet,
    asked: Objective,
    values: str | None,
    table: LossTable | None,
    law: str | None,
    sweep: Path | None,
    data_root: Path | None,
    json: bool,
) -> bool:
    """Print the comparison of shares of replay at equal FLOPs per new token.

    The target's N is the size that the FLOPs pay for without replay, its D the domain tokens of every run.

    Parameters
    ----------
    fitted : FitSet
        The laws.
    asked : Objective
        The question, with N and D.
    values : str, optional
        Shares of replay; the first is what the others are compared with.
    table : LossTable, optional
        Losses with the bases'.
    law : str, optional
        Law to plan with.
    sweep : Path, optional
        Sweep file whose family of models says what a token costs; 6 N otherwise.
    data_root : Path, optional
        Its corpus root.
    json : bool
        Print one JSON document.

    Returns
    -------
    bool
        Whether every row lies inside the fitted ranges.

    Raises
    ------
    ConfigError
        When N or D is not given, or a share of replay is not one.
    """
    from dcpt.plan.allocation.replay_or_size import REPLAYS, replay_or_size
    from dcpt.plan.free_plan import question_of
    from dcpt.plan.objective_check import one_base
    from dcpt.plan.scene import set_scene, supply_of
    from dcpt.plan.sides import choose_sides

    if asked.N is None or asked.D is None:
        raise ConfigError(
            f"plan: {QUESTION} needs the size that is paid for without replay and the new tokens.",
            hint="pass --at N=7B,D=20B",
        )
    shares = REPLAYS if values is None else _shares(values)
    one_base(asked, shares)  # every share has a size of its own
    sides = choose_sides(fitted, asked, law, table)
    bases = sides.measured_bases(table)
    cost = 6 * asked.N
    frame = replay_or_size(
        lambda N: question_of(set_scene(asked, sides, bases, N, 0), sides),
        cost,
        asked.D,
        shares,
        supply_of(asked),
        asked.level,
    )
    if sweep is not None:
        per_token = _family(sweep, data_root)
        frame["flops_per_token"] = [per_token(N) for N in frame["N"]]
        frame["flops_per_new_token"] = frame["flops_per_token"] / frame["r"]
    if json:
        rows = [{key: _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
        show.document(QUESTION, {"flops_per_new_token": cost, "new_tokens": asked.D, "rows": rows})
    else:
        show.result("\n".join(_lines(frame, cost, asked)))
    return not bool(frame["extrapolates"].any())


def _shares(values: str) -> tuple[float, ...]:
    return tuple(parse_share(part, "--values") for part in values.split(",") if part.strip())


def _family(sweep: Path, data_root: Path | None) -> Callable[[float], float]:
    """FLOPs per token of the sweep's family, by size."""
    from dcpt.cost.price import family_flops_per_token
    from dcpt.sweep.prepare import prepare

    made = prepare(sweep, data_root)
    models = [rung.model for rung in made.design.rungs.values()]
    family = models[0].family
    return family_flops_per_token(family, [model.config for model in models], made.spec.model.context)


def _plain(value: Any) -> Any:
    """A number or truth of JSON; None where there is none."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return float(value) if np.isfinite(value) else None


def _lines(frame: pd.DataFrame, cost: float, asked: Objective) -> list[str]:
    first = frame.iloc[0]
    lines = [
        f"Replay or size, at {format_quantity(cost)} FLOPs per new token and "
        f"{format_quantity(asked.D or 0.0)} new tokens; changes from {100 * first['replay']:g} % replay, "
        f"{100 * asked.level:g} % intervals.",
        "",
        "  replay        N        D     value   change  interval            limits",
    ]
    for _, row in frame.iterrows():
        ends = "" if row is first else f"{row['value_change_lo']:+.4f} to {row['value_change_hi']:+.4f}"
        kept = "kept" if row["feasible"] else "broken"
        far = ", outside the fitted range" if row["extrapolates"] else ""
        family = (
            f", {format_quantity(row['flops_per_new_token'])} FLOPs per new token with head and attention"
            if "flops_per_new_token" in frame
            else ""
        )
        lines.append(
            f"  {100 * row['replay']:5g}%  {format_quantity(row['N']):>7}  {format_quantity(row['D']):>7}  "
            f"{row['value']:8.4f}  {row['value_change']:+.4f}  {ends:<19} {kept}{far}{family}".rstrip()
        )
    lines += ["", _verdict(frame)]
    return lines


def _verdict(frame: pd.DataFrame) -> str:
    """In words: which share is best among those that keep the limits, and whether the data tell."""
    kept = frame[frame["feasible"]]
    if not len(kept):
        return "No share of replay here keeps the limits."
    best = kept.loc[kept["value"].idxmin()]
    name = f"{100 * best['replay']:g} % replay with {format_quantity(best['N'])} parameters"
    first = frame.iloc[0]
    if best["replay"] == first["replay"]:
        return f"Of those that keep the limits {name} has the lowest loss: more replay does not pay."
    if not first["feasible"]:
        broken = f"{100 * first['replay']:g} % breaks one"
        return f"Of those that keep the limits {name} has the lowest loss; {broken}."
    sure = best["value_change_hi"] < 0
    return f"{name} has the lowest loss{'' if sure else ', but the draws do not tell it from the first'}."
