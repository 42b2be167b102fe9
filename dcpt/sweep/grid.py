"""The runs of one size, mixture and seed: constant-rate trunks, their branches, and what stands alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dcpt.core.files import content_hash
from dcpt.core.run_spec import RunSpec, StartSpec, to_dict
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
    plateaus: dict[tuple[Hashable, ...], _Plateau] = {}
    alone: list[RunSpec] = []
    for cell in cells:
        wholes = _wholes(builder, rung, base, blend, seed, skip, cell)
        constant = cell.settings.kind == "constant"
        if not _has_plateau(cell, wholes):  # all decay, or another form: there is no plateau to share
            alone += wholes
            continue
        for run in wholes:
            plateau = plateaus.setdefault(_shared_part(run), _Plateau(cell))
            (plateau.constant if constant else plateau.branches).append(run)
    shared = [run for plateau in plateaus.values() for run in _shared(plateau, rung, blend, seed)]
    return shared + alone


def _has_plateau(cell: Cell, wholes: Sequence[RunSpec]) -> bool:
    """Whether runs of one schedule share a beginning at a constant rate, of one mixture and pool."""
    mixtures = [run.mixture for run in wholes]
    if len({_shared_part(run) for run in wholes}) > 1:
        return False  # a pool or a first phase that depends on the budget
    if cell.settings.kind == "constant":
        return all(len(mixture.phases) == 1 for mixture in mixtures)
    ends = [run.schedule.decay_start for run in wholes]
    later = [mixture.phases[1].start if len(mixture.phases) > 1 else None for mixture in mixtures]
    return cell.settings.has_plateau and all(
        end > 0 and (start is None or start >= end * run.batch)
        for end, start, run in zip(ends, later, wholes, strict=True)
    )


def _shared_part(run: RunSpec) -> tuple[Hashable, ...]:
    """What runs that share a trunk have in common up to where they leave it."""
    first, plan = run.schedule, run.mixture
    return (
        (first.peak, first.warmup, first.warmup_from),
        tuple(plan.phases[0].shares.items()),
        tuple(plan.limit.items()),
        None if plan.reweighting is None else content_hash(to_dict(plan.reweighting)),
        run.optimizer,
        run.start,
    )


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


def _go_on(run: RunSpec, trunk: RunSpec) -> StartSpec:
    """Where a run leaves its trunk; it says like the trunk what the phase began with."""
    began = run.start.optimizer if run.start is not None else "fresh"
    return StartSpec(trunk.run_id, run.schedule.decay_start, "continue", began)


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
        mixture=replace(like.mixture, phases=like.mixture.phases[:1]),
        schedule=schedule,
        evaluation=replace(like.evaluation, also_at=tuple(sorted({*splits, *ends})), ends=ends),
        keep=splits,
    )
    return [trunk] + [replace(run, kind="branch", start=_go_on(run, trunk)) for run in plateau.branches]
