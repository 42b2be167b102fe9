"""Run a sweep: price it, start what is not finished, write the loss table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dcpt.core.errors import DataError, RunError
from dcpt.core.loss_table import LossTable
from dcpt.core.table_file import write_frame
from dcpt.run.conductor import Listener, Outcome, Pack, one_each
from dcpt.run.execute import execute
from dcpt.run.executor import ExecutorFactory
from dcpt.sweep.collect import collect
from dcpt.sweep.corpus_settings import source_of
from dcpt.sweep.mixture_rows import write_mixtures
from dcpt.sweep.prepare import Sweep
from dcpt.sweep.variant_names import variant_names, with_variants

LOSSES = "losses.csv"


@dataclass(frozen=True)
class SweepResult:
    """A sweep that came to its end.

    Attributes
    ----------
    table : LossTable
        Losses of the finished runs.
    outcome : Outcome
        Runs by how they ended.
    path : path
        The file the table was written to.
    """

    table: LossTable
    outcome: Outcome
    path: Path


def run_sweep(
    sweep: Sweep,
    slots: int | None = None,
    device: str = "auto",
    listen: Listener | None = None,
    precision: str = "fp32",
    *,
    executor: ExecutorFactory | None = None,
    pack: Pack = one_each,
    options: Sequence[str] = (),
) -> SweepResult:
    """Bring every run of the sweep to its end and write ``losses.csv``, of mixtures ``mixtures.csv`` too.

    Parameters
    ----------
    sweep : Sweep
        A prepared sweep.
    slots : int, optional
        Runs at a time; by default one per GPU, else one per core.
    device : str
        auto, cpu or cuda.
    listen : callable, optional
        Called with every event of the workers.
    precision : str
        fp32 or bf16.
    executor : callable, optional
        Makes the executor (see `dcpt.run.choose.choose_executor`); by default this machine's processes.
    pack : callable
        Groups runs that are ready, each group for one process (see `dcpt.run.packs.choose_packs`).
    options : sequence of str
        More options of the trainer's command line.

    Returns
    -------
    SweepResult

    Raises
    ------
    ConfigError
        When another process runs this sweep.
    DataError
        When the disk is full, or a run's folder is damaged.
    RunError
        When no run finished; the message says why the first one did not.
    KeyboardInterrupt
        When it was stopped. Then, too, ``losses.csv`` holds the runs that had finished.
    """
    try:
        outcome = execute(
            *(sweep.root, sweep.design.runs, sweep.design.work, slots, device, listen, precision),
            executor=executor,
            pack=pack,
            options=options,
        )
    except (KeyboardInterrupt, DataError):
        with suppress(DataError):  # what stopped the sweep is the news, not what follows from it
            _write(sweep)
        raise
    if not outcome.finished:
        name, reason = next(iter({**outcome.abandoned, **outcome.failed}.items()))
        raise RunError(
            f"{sweep.root}: none of {len(sweep.design.runs)} runs finished; {name}: {reason.rstrip('.')}."
        )
    return SweepResult(_write(sweep), outcome, sweep.root / LOSSES)


def _write(sweep: Sweep) -> LossTable:
    mixed = sweep.spec.cpt.mixtures is not None
    names = variant_names(sweep.spec.cpt, sweep.design.runs)
    table = collect(sweep.root, sweep.design.runs, mixed, source_of(sweep.spec.corpora), names)
    write_frame(sweep.root / LOSSES, with_variants(table.frame, names))
    if mixed:
        with suppress(DataError):  # only bases have finished
            write_mixtures(sweep.root, sweep.design.runs, table, names)
    return table
