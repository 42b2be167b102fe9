"""What a sweep will cost, size by size, before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dcpt.core.errors import BudgetError
from dcpt.core.quantity import format_quantity
from dcpt.cost.hardware import Hardware, get_hardware
from dcpt.run import store
from dcpt.run.machine import count_cores, count_gpus
from dcpt.sweep.prepare import Sweep


@dataclass(frozen=True)
class Price:
    """Cost of the runs still to do.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per size: size, N, runs, finished, tokens, flops, hours_low, hours, hours_high.
    hardware : Hardware
        What the hours are hours of.
    """

    frame: pd.DataFrame
    hardware: Hardware

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
    work = sweep.design.work
    for name, rung in sweep.design.rungs.items():
        runs = [run for run in sweep.design.runs if run.size == name]
        to_do = [run for run in runs if _open(sweep.root, run.run_id)]
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
    return Price(pd.DataFrame(rows), hardware)


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
    limit = hours if hours is not None else sweep.spec.limit.hours
    if confirmed:
        return
    if limit is not None and cost.hours[2] > limit:
        raise BudgetError(
            f"{sweep.spec.name}: up to {cost.hours[2]:.3g} {cost.hardware.name} hours; "
            f"the limit is {limit:g}.",
            hint="pass --yes, raise the limit, or trim the sweep",
        )
    cap = sweep.spec.limit.flops
    if cap is not None and cost.flops > cap:
        raise BudgetError(
            f"{sweep.spec.name}: {format_quantity(cost.flops)} FLOPs; the limit is {format_quantity(cap)}.",
            hint="pass --yes, raise the limit, or trim the sweep",
        )


def wall_hours(cost: Price, slots: int | None = None) -> tuple[float, float, float]:
    """Wall hours on this machine with `slots` runs at a time (default: its GPUs, else its cores)."""
    width = slots or count_gpus() or count_cores()
    low, likely, high = cost.hours
    return low / width, likely / width, high / width


def _open(root: Path, run_id: str) -> bool:
    folder = store.run_folder(root, run_id)
    return not folder.exists() or store.status(folder) != "finished"
