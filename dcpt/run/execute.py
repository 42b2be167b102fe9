"""Run a graph of runs: one runner per folder, an executor, and a stop that saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dcpt.core.run_spec import RunSpec
from dcpt.run.conductor import Conductor, Listener, Outcome, Pack, one_each
from dcpt.run.executor import ExecutorFactory, Place
from dcpt.run.lock import only_runner
from dcpt.run.stop_signals import stopping_like_ctrl_c

GRACE = 60.0
"""Seconds a worker gets to save its state when it is asked to stop."""


def execute(
    root: Path | str,
    specs: Sequence[RunSpec],
    work: Mapping[str, float],
    slots: int | None = None,
    device: str = "auto",
    listen: Listener | None = None,
    precision: str = "fp32",
    *,
    executor: ExecutorFactory | None = None,
    pack: Pack = one_each,
    options: Sequence[str] = (),
) -> Outcome:
    """Bring a graph of runs to its end.

    Finished runs are skipped, and so are those that diverged; every other run is tried again. A run
    starts when the run it continues from has finished, the one with the most work behind it first. The
    folder says all there is to know: a sweep begun with one executor goes on with another.

    Parameters
    ----------
    root : path
        Folder of the sweep (or launch); runs lie in ``root/runs``.
    specs : sequence of RunSpec
        All runs, parents included.
    work : mapping
        Run id to its share of the work (any unit), for the order.
    slots : int, optional
        Runs at a time; by default as many as the executor finds places for.
    device : str
        auto, cpu or cuda.
    listen : callable, optional
        Called with every event of the workers.
    precision : str
        fp32 or bf16: number format of the forward pass.
    executor : callable, optional
        Makes the executor (see `dcpt.run.choose.choose_executor`); by default this machine's processes.
    pack : callable
        Groups runs that are ready, each group for one process; by default every run alone.
    options : sequence of str
        More options of the trainer's command line.

    Returns
    -------
    Outcome

    Raises
    ------
    ConfigError
        When another process runs this folder.
    DataError
        When the disk is full, or a run's folder is damaged; every run can be resumed.
    KeyboardInterrupt
        After the workers have saved their state, when Ctrl-C, SIGTERM or SIGHUP came.
    """
    # Not at the top: the executor's own imports are those of the one that is asked for.
    from dcpt.run.local import LocalExecutor

    root = Path(root)
    with only_runner(root) as hold, stopping_like_ctrl_c():
        made = (executor or LocalExecutor)(Place(root, slots, device, precision, hold, options))
        try:
            outcome = Conductor(root, specs, work, made, listen or (lambda event: None), pack).loop()
        except BaseException:
            made.cancel(GRACE)
            raise
        made.close()
        return outcome
