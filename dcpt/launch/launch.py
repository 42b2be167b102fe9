"""From a plan to the full run: the target, from its own base, at the planned ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dcpt.core.errors import ConfigError, RunError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import RunSpec
from dcpt.cost.hardware import Hardware, get_hardware
from dcpt.fit.bases import SAME_SIZE
from dcpt.launch.band import band_of, write_band
from dcpt.launch.full import begun_in_shards, train_in_shards
from dcpt.launch.full_settings import FullSettings
from dcpt.launch.launch_spec import LaunchedRun, LaunchSpec
from dcpt.launch.mixture_band import UNIT, mixture_band
from dcpt.launch.mixture_fitted import fitted_elsewhere, plan_fingerprint
from dcpt.launch.node import over_processes
from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.plan.plan import Plan
from dcpt.run import store
from dcpt.run.conductor import Listener
from dcpt.run.execute import execute
from dcpt.run.executor import ExecutorFactory
from dcpt.sweep.collect import TOKENIZER_DIGITS, collect
from dcpt.sweep.expand import target_run
from dcpt.sweep.prepare import Sweep
from dcpt.sweep.price import is_open


@dataclass(frozen=True)
class Launch:
    """A launch ready to start.

    Attributes
    ----------
    spec : LaunchSpec
        What will be run, and what it costs.
    runs : tuple of RunSpec
        The target's base and its runs.
    sweep : Sweep
        The sweep whose corpora, tokenizer and schedule they use.
    plan : Plan, optional
        The plan they follow; None for one of many corpora (see `dcpt.launch.mixture`).
    fitted : LossTable, optional
        The losses it rests on.
    mixture : MixturePlan, optional
        The plan of many corpora they follow.
    """

    spec: LaunchSpec
    runs: tuple[RunSpec, ...]
    sweep: Sweep
    plan: Plan | None
    fitted: LossTable | None = None
    mixture: MixturePlan | None = None

    @property
    def work(self) -> dict[str, float]:
        """FLOPs of each run's own steps and of its evaluations, by run id (see `dcpt.sweep.work`)."""
        return {run.run_id: self.sweep.design.flops(run) for run in self.runs}

    @property
    def finished(self) -> set[str]:
        """Run ids of the runs that have finished, the base's among them if it has."""
        return {run.run_id for run in self.runs if not is_open(self.sweep.root, run.run_id)}

    @property
    def flops_to_do(self) -> float:
        """FLOPs of the runs that have not finished, evaluations included."""
        done = self.finished
        return sum(flops for name, flops in self.work.items() if name not in done)

    @property
    def plan_hash(self) -> str:
        """Hash of the plan, by which its runs are told from those of others."""
        if self.mixture is not None:
            return plan_fingerprint(self.mixture)
        assert self.plan is not None
        return self.plan.fingerprint

    @property
    def hardware(self) -> Hardware:
        """What the cost is in hours of."""
        return get_hardware(self.sweep.spec.hardware)


def prepare_launch(
    plan: Plan,
    sweep: Sweep,
    ratios: Sequence[float] = (),
    seed: int = 0,
    fitted: LossTable | None = None,
    variant: str | None = None,
) -> Launch:
    """Write down the target's runs.

    Parameters
    ----------
    plan : Plan
        The plan to launch.
    sweep : Sweep
        The sweep it was made from; the plan's N must be one of its sizes (its target's, usually).
    ratios : sequence of float
        Further domain shares to train beside the planned one, to see the curve around it.
    seed : int
        Seed of the runs.
    fitted : LossTable, optional
        The losses the plan rests on, to make sure that the sweep still counts the same tokens.
    variant : str, optional
        Of the sweep's variants the one to launch, where it has several.

    Returns
    -------
    Launch

    Raises
    ------
    ConfigError
        When no size of the sweep has the plan's N, a ratio lies outside [0, 1], the sweep's tokenizer is not
        that of the fitted losses, or it is not said which variant is meant.
    """
    if fitted is not None:
        _check_tokenizer(fitted, sweep)
    matches = [rung for rung in sweep.design.rungs.values() if abs(math.log(rung.N / plan.N)) <= SAME_SIZE]
    if not matches:
        known = ", ".join(f"{rung.name} ({format_quantity(rung.N)})" for rung in sweep.design.rungs.values())
        raise ConfigError(
            f"the plan is for N = {format_quantity(plan.N)}; the sweep's sizes are {known}.",
            hint="give the target's shape under target.size in the sweep file",
        )
    for ratio in ratios:
        if not 0 <= ratio <= 1:
            raise ConfigError(f"launch: ratio {ratio:g} is outside [0, 1].")
    rung = matches[0]
    base = next(run for run in sweep.design.runs if run.run_id == sweep.design.bases[rung.name])
    # Four decimals of a share are finer than any interval on it, and make a readable run name.
    wanted = {round(plan.r, 4): True} | {
        round(ratio, 4): False for ratio in ratios if round(ratio, 4) != round(plan.r, 4)
    }
    design, settings = sweep.design, sweep.spec
    runs = {ratio: target_run(design, settings, rung.name, ratio, plan.D, seed, variant) for ratio in wanted}
    flops = sum(sweep.design.flops(run) for run in (base, *runs.values()))
    any_run = next(iter(runs.values()))
    spec = LaunchSpec(
        sweep=sweep.spec.name,
        size=rung.name,
        N=rung.N,
        D=any_run.schedule.steps * any_run.tokens_per_step,
        seed=seed,
        runs=tuple(
            LaunchedRun(run_id=runs[ratio].run_id, r=ratio, planned=planned)
            for ratio, planned in wanted.items()
        ),
        flops=flops,
    )
    return Launch(spec, (base, *runs.values()), sweep, plan, fitted)


def _check_tokenizer(fitted: LossTable, sweep: Sweep) -> None:
    """Losses per token under two tokenizers are different quantities; no error could be told from that."""
    known = {str(name) for name in fitted.frame["tokenizer"]} - {""}
    now = sweep.design.runs[0].tokenizer_hash[:TOKENIZER_DIGITS]
    if known and now not in known:
        raise ConfigError(
            f"launch: the sweep's tokenizer is {now} now; the plan's losses were measured with "
            f"{', '.join(sorted(known))}.",
            hint="the sweep file has changed since: run, fit and plan it again, or undo the change",
        )


def lay_out(launch: Launch) -> list[Path]:
    """Write the spec of every run, and where its losses are expected, for the trainer to hold them against.

    Returns
    -------
    list of Path
        Folders of the runs, the base's first.

    Raises
    ------
    DataError
        When a folder is damaged or the disk refuses a write.
    """
    folders = [store.write_spec(launch.sweep.root, run) for run in launch.runs]
    ratios = {run.run_id: run.r for run in launch.spec.runs}
    for run, folder in zip(launch.runs, folders, strict=True):
        if run.run_id not in ratios or store.status(folder) == "finished":
            continue
        plan, mixture = launch.plan, launch.mixture
        if plan is not None:
            rows = band_of(plan, run, ratios[run.run_id], launch.fitted)
            write_band(folder, plan.fingerprint, plan.objective.level, plan.unit, rows)
        elif mixture is not None and not fitted_elsewhere(mixture, launch.spec.N, run):
            rows = mixture_band(mixture, run, launch.spec.N, launch.fitted)
            write_band(folder, plan_fingerprint(mixture), mixture.question.level, UNIT, rows)
    return folders


def run_launch(
    launch: Launch,
    slots: int | None = None,
    device: str = "auto",
    listen: Listener | None = None,
    precision: str = "fp32",
    full: FullSettings | None = None,
    executor: ExecutorFactory | None = None,
) -> LossTable:
    """Train the target's runs and gather their losses.

    Parameters
    ----------
    launch : Launch
        A prepared launch.
    slots : int, optional
        Runs at a time.
    device : str
        auto, cpu or cuda.
    listen : callable, optional
        Called with every event of the trainers.
    precision : str
        fp32 or bf16.
    full : FullSettings, optional
        Processes to spread each run over, one run at a time; by default every run has one process. A run
        that was begun over several goes on with the trainer that can read its checkpoints.
    executor : callable, optional
        Makes a cluster's executor (see `dcpt.run.choose.choose_executor`), which then trains each run as a
        job of its own; by default this machine does.

    Returns
    -------
    LossTable
        All evaluations of the launched runs and of their base.

    Raises
    ------
    RunError
        When a launched run did not finish; the message says why.
    ConfigError
        When a run that is to be spread over processes has options that this cannot do.
    """
    root, listen = launch.sweep.root, listen or (lambda event: None)
    lay_out(launch)
    if full is None and begun_in_shards(root, launch.runs):
        full = FullSettings(device=device, precision=precision)
    if full is not None:
        _check_options(launch.runs)
        if executor is None:
            train_in_shards(root, launch.runs, full, listen)
            return _collect(launch)
        executor = over_processes(executor, full)
    outcome = execute(root, launch.runs, launch.work, slots, device, listen, precision, executor=executor)
    lost = {**outcome.failed, **outcome.abandoned}
    if lost:
        name, reason = next(iter(lost.items()))
        raise RunError(
            f"launch: run {name} did not finish: {reason.rstrip('.')}.",
            hint=f"its log is in {store.run_folder(root, name)}",
        )
    return _collect(launch)


def _collect(launch: Launch) -> LossTable:
    return collect(launch.sweep.root, launch.runs, mixed=launch.mixture is not None)


def _check_options(runs: Sequence[RunSpec]) -> None:
    """Refuse before anything starts what the trainer over several processes would refuse (tilt)."""
    for run in runs:
        if run.optimizer.tilt:
            raise ConfigError(
                f"launch: run {run.slug} weighs its sequences by their losses (tilt), which a run over "
                "several processes cannot.",
                hint="drop --procs, --micro-batch, --recompute and --compile",
            )
