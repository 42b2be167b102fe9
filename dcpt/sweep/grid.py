"""The runs of one size, mixture and seed: constant-rate trunks, their branches, and what stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dcpt.core.run_spec import RunSpec, StartSpec
from dcpt.core.schedule import Schedule
from dcpt.sweep.builder import RunBuilder
from dcpt.sweep.cells import Cell, cells_of
from dcpt.sweep.ladder import Rung
from dcpt.sweep.mixtures import Mixture


@dataclass
class _Plateau:
    """What one constant rate serves: its warm-up and rate are theirs up to where they leave it."""

    cell: Cell
    constant: list[RunSpec] = field(default_factory=list)
    branches: list[RunSpec] = field(default_factory=list)


def grid_runs(
    builder: RunBuilder, rung: Rung, base: RunSpec, blend: Mixture, seed: int, skip: Mapping[str, int]
) -> list[RunSpec]:
    """List the runs of a size at a mixture and a seed, trunks before their branches.

    Schedules with one warm-up and peak share a constant-rate trunk, from which every decay of every budget
    branches; a constant schedule is that trunk, run to its own end.

    Parameters
    ----------
    builder : RunBuilder
        Makes the runs.
    rung : Rung
        The size.
    base : RunSpec
        Its base.
    blend : Mixture
        Shares of the corpora.
    seed : int
        Seed of the data order.
    skip : mapping of str to int
        Windows of the base to hold back: one answer for the whole sweep, since branches continue trunks and
        runs are to differ in the mixture only.

    Returns
    -------
    list of RunSpec
    """
    cells = cells_of(builder.sweep.cpt)
    plateaus: dict[tuple[float, int, float], _Plateau] = {}
    alone: list[RunSpec] = []
    for cell in cells:
        wholes = _wholes(builder, rung, base, blend, seed, skip, cell)
        first = wholes[0].schedule
        plateau = plateaus.setdefault((first.peak, first.warmup, first.warmup_from), _Plateau(cell))
        if cell.settings.kind == "constant":
            plateau.constant += wholes
        elif cell.settings.has_plateau and all(run.schedule.decay_start > 0 for run in wholes):
            plateau.branches += wholes
        else:  # all decay, or another form: there is no plateau to share
            alone += wholes
    shared = [run for plateau in plateaus.values() for run in _shared(plateau, rung, blend, seed)]
    return shared + alone


def _wholes(
    builder: RunBuilder,
    rung: Rung,
    base: RunSpec,
    blend: Mixture,
    seed: int,
    skip: Mapping[str, int],
    cell: Cell,
) -> list[RunSpec]:
    budgets = sorted({builder.steps(tokens) for tokens in cell.budgets})
    return [builder.whole(rung, base, blend, seed, steps, skip, cell) for steps in budgets]


def _shared(plateau: _Plateau, rung: Rung, blend: Mixture, seed: int) -> list[RunSpec]:
    """A trunk and its branches; without branches, a run of the constant rate."""
    # Every evaluation of a constant rate is the end of a constant-rate run of that length.
    ends = tuple(sorted({run.schedule.steps for run in plateau.constant}))
    if not plateau.branches:
        if not plateau.constant:
            return []
        run = max(plateau.constant, key=lambda run: run.schedule.steps)
        return [replace(run, evaluation=replace(run.evaluation, also_at=ends, ends=ends))]
    splits = tuple(sorted({run.schedule.decay_start for run in plateau.branches}))
    like = max(plateau.branches, key=lambda run: run.schedule.steps)
    schedule = Schedule(
        "constant",
        like.schedule.peak,
        max((*splits, *ends)),
        like.schedule.warmup,
        warmup_from=like.schedule.warmup_from,
    )
    trunk = replace(
        like,
        slug=f"{rung.name}-{blend.label}-s{seed}{plateau.cell.peak_label}-trunk",
        kind="trunk",
        schedule=schedule,
        evaluation=replace(like.evaluation, also_at=tuple(sorted({*splits, *ends})), ends=ends),
        keep=splits,
    )
    return [trunk] + [
        replace(run, kind="branch", start=StartSpec(trunk.run_id, run.schedule.decay_start, "continue"))
        for run in plateau.branches
    ]
