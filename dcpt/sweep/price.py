"""What a sweep will cost, size by size, before anything starts.

FLOPs are those of `dcpt.sweep.work`: training and evaluation of the runs that are not finished, an
interrupted one counted whole. Device hours are those of `Hardware`, of the arithmetic alone; how long it
takes on the clock, with all that is no arithmetic, is in `wall_hours` (see `dcpt.sweep.wall_time`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dcpt.core.errors import BudgetError
from dcpt.core.quantity import format_quantity
from dcpt.cost.hardware import Hardware, get_hardware
from dcpt.run import store
from dcpt.sweep.mixtures import Mixture
from dcpt.sweep.prepare import Sweep, with_mixtures
from dcpt.sweep.spec import SweepSpec
from dcpt.sweep.wall_time import Waiting, sweep_hours


@dataclass(frozen=True)
class Price:
    """Cost of the runs still to do, evaluations included.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per size: size, N, runs, finished, tokens (trained on), flops, hours_low, hours,
        hours_high.
    hardware : Hardware
        What the hours are hours of.
    runs : tuple of Waiting
        The runs to do.
    """

    frame: pd.DataFrame
    hardware: Hardware
    runs: tuple[Waiting, ...] = ()

    @property
    def hours(self) -> tuple[float, float, float]:
        """Device hours to do: shortest, likely, longest."""
        return self.hardware.hours(float(self.frame["flops"].sum()))

    @property
    def flops(self) -> float:
        """FLOPs to do."""
        return float(self.frame["flops"].sum())


def price(sweep: Sweep) -> Price:
    """Price the runs of a sweep that are not finished."""
    hardware = get_hardware(sweep.spec.hardware)
    rows = []
    waiting: dict[str, Waiting] = {}
    work, corpora = sweep.design.work, len(sweep.design.corpora)
    for name, rung in sweep.design.rungs.items():
        runs = [run for run in sweep.design.runs if run.size == name]
        to_do = [run for run in runs if is_open(sweep.root, run.run_id)]
        waiting |= {run.run_id: Waiting.of(run, work[run.run_id], rung.layers, corpora) for run in to_do}
        flops = sum(work[run.run_id] for run in to_do)
        low, likely, high = hardware.hours(flops)
        rows.append(
            {
                "size": name,
                "N": rung.N,
                "runs": len(runs),
                "finished": len(runs) - len(to_do),
                "tokens": sum((run.schedule.steps - run.first_step) * run.tokens_per_step for run in to_do),
                "flops": flops,
                "hours_low": low,
                "hours": likely,
                "hours_high": high,
            }
        )
    in_order = tuple(waiting[run.run_id] for run in sweep.design.runs if run.run_id in waiting)
    return Price(pd.DataFrame(rows), hardware, in_order)


def price_rounds(sweep: Sweep, mixtures: Sequence[Mixture], count: int) -> tuple[float, float]:
    """FLOPs and likely device hours of rounds that come to `count` mixtures.

    Those laid out so far are priced one by one; each of the others like the mean of these.

    Parameters
    ----------
    sweep : Sweep
        A sweep of mixtures.
    mixtures : sequence of Mixture
        Those laid out.
    count : int
        Mixtures of all rounds.
    """
    now = with_mixtures(sweep, mixtures)
    work = now.design.work
    of_mixtures = sum(work[run.run_id] for run in now.design.runs if run.kind != "base")
    flops = price(now).flops + of_mixtures * max(0, count - len(mixtures)) / max(1, len(mixtures))
    return flops, get_hardware(sweep.spec.hardware).hours(flops)[1]


def check_limit(sweep: Sweep, cost: Price, hours: float | None, confirmed: bool) -> None:
    """Refuse work above the limit unless it is confirmed.

    Parameters
    ----------
    sweep : Sweep
        The sweep, whose file may state a limit.
    cost : Price
        Its price.
    hours : float, optional
        Limit in device hours that replaces the file's.
    confirmed : bool
        Whether the user said yes to any cost.

    Raises
    ------
    BudgetError
        When the upper end of the price exceeds the limit.
    """
    refuse_above_limit(sweep.spec.name, sweep.spec, cost.flops, hours, confirmed)


def refuse_above_limit(
    what: str, spec: SweepSpec, flops: float, hours: float | None, confirmed: bool
) -> None:
    """Refuse `flops` of work above the limit of a sweep file unless it is confirmed.

    Parameters
    ----------
    what : str
        Named in the message.
    spec : SweepSpec
        States the limit and the hardware.
    flops : float
        Work to do.
    hours : float, optional
        Limit in device hours that replaces the file's.
    confirmed : bool
        Whether the user said yes to any cost.

    Raises
    ------
    BudgetError
        When the upper end of the hours, or the FLOPs, exceed the limit.
    """
    if confirmed:
        return
    hardware = get_hardware(spec.hardware)
    longest = hardware.hours(flops)[2]
    limit = hours if hours is not None else spec.limit.hours
    hint = "pass --yes, raise the limit, or do less"
    if limit is not None and longest > limit:
        raise BudgetError(
            f"{what}: up to {longest:.3g} {hardware.name} hours; the limit is {limit:g}.", hint=hint
        )
    cap = spec.limit.flops
    if cap is not None and flops > cap:
        raise BudgetError(
            f"{what}: {format_quantity(flops)} FLOPs; the limit is {format_quantity(cap)}.", hint=hint
        )


def wall_hours(cost: Price, slots: int | None = None, here: bool = True) -> tuple[float, float, float]:
    """Wall hours with `slots` runs at a time (default: this machine's GPUs, else its cores).

    Shortest, likely, longest; see `dcpt.sweep.wall_time.sweep_hours`. Elsewhere than `here` a cluster's
    devices train, whose number and load are not known: one at a time by default.
    """
    return sweep_hours(cost.runs, cost.hardware, slots, here)


def is_open(root: Path, run_id: str) -> bool:
    """Whether a run of the sweep's folder has not finished."""
    folder = store.run_folder(root, run_id)
    return not folder.exists() or store.status(folder) != "finished"
