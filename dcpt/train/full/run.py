"""One full run, from its spec to its record: the loop that all its processes go through together."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from dcpt.core.run_record import RunRecord
from dcpt.train import checkpoint
from dcpt.train.band import LiveBand, report_checks
from dcpt.train.checkpoint import Progress
from dcpt.train.evaluate import Measurement, evaluate, read_heldout
from dcpt.train.failure import Diverged, Stopped, refuse_divergence
from dcpt.train.full import stop, store
from dcpt.train.full.assemble import assemble, refuse_options
from dcpt.train.full.attempts import FILE_NAME
from dcpt.train.full.group import Group
from dcpt.train.full.log import FullLog
from dcpt.train.full.measure import ShardedMeasure
from dcpt.train.full.options import FullOptions
from dcpt.train.full.reasons import forget
from dcpt.train.full.share import RankBatches
from dcpt.train.full.state import gather, network_state, optimizer_state
from dcpt.train.full.step import prepare_gradient
from dcpt.train.inputs import open_corpora, open_mixture, read_spec
from dcpt.train.interpolation import Interpolator
from dcpt.train.journal import Journal
from dcpt.train.optimizer import clip_gradients, set_rate
from dcpt.train.outcome import make_record
from dcpt.train.processor import Processor
from dcpt.train.reweighting import advance_history, find_history
from dcpt.train.spike import SpikeWatch, begin_again, with_data_order

Report = Callable[[dict[str, Any]], None]


def run_full(
    run_dir: Path,
    options: FullOptions,
    processor: Processor,
    group: Group,
    report: Report = lambda event: None,
    wish: Callable[[], int] = lambda: stop.GO_ON,
) -> RunRecord:
    """Train a run to its end in several processes, from its last checkpoint if there is one.

    Losses, journal and record are those of `dcpt.train.unit.run` up to the rounding of sums, for any
    number of processes, which may change from one start to the next.

    Parameters
    ----------
    run_dir : Path
        ``ROOT/runs/<run_id>`` with a ``spec.json``, on a disk that all processes see.
    options : FullOptions
        How it is trained.
    processor : Processor
        This process's device.
    group : Group
        The processes.
    report : callable
        Called in the first process with ``started``, ``progress`` and ``band`` events.
    wish : callable
        Asked after every step: go on, save and stop, or leave (see `dcpt.train.full.stop`).

    Returns
    -------
    RunRecord
        Status ``finished``, or ``abandoned`` for a run that diverged; also saved in the folder.

    Raises
    ------
    DataError, ConfigError
        When the spec, a corpus or the starting checkpoint is unusable, or the disk full.
    Stopped
        When a process wished it.
    """
    run_dir = run_dir.resolve()
    record = RunRecord.load(run_dir)
    if record is not None and record.status == "finished":
        return record
    full = FullRun(run_dir, options, processor, group, report, wish)
    try:
        return full.run()
    except Diverged as error:  # in every process, for they judge by the same numbers
        full.saver.wait()  # a checkpoint on its way would be one of the order of data that is given up
        group.wait()
        again = group.first and begin_again(run_dir, full.spec, full.journal, error)
        if not group.largest(int(again)):
            return full.finish("abandoned", str(error), full.progress.step)
        if group.first:
            shutil.rmtree(run_dir / store.FOLDER, ignore_errors=True)
        group.wait()
    finally:
        full.saver.close()
    # Two networks and their optimizers would have to fit into memory.
    del full
    gc.collect()
    return run_full(run_dir, options, processor, group, report, wish)


class FullRun:
    """A full run in progress; see `run_full` for the parameters."""

    def __init__(
        self,
        run_dir: Path,
        options: FullOptions,
        processor: Processor,
        group: Group,
        report: Report,
        wish: Callable[[], int],
    ) -> None:
        self.clock = time.monotonic()
        self.run_dir, self.options, self.processor, self.group = run_dir, options, processor, group
        self.wish = wish
        self.spec = spec = with_data_order(run_dir, read_spec(run_dir))
        refuse_options(spec)
        root = run_dir.parent.parent
        self.corpora = open_corpora(root, spec)
        self.steps, self.first = spec.schedule.steps, spec.first_step
        self.heldout = read_heldout(self.corpora, spec.mixture, spec.context, spec.evaluation.sequences)
        made = assemble(root, run_dir, spec, options, processor, group)
        self.network, self.parameters = made.network, made.parameters
        self.flops_per_token = made.flops_per_token
        self.history = find_history(root, spec, made.own, self.heldout)
        self.progress = made.own or Progress(self.first, mixture=self.history)
        self.before = self.progress.seconds
        self.journal = Journal(run_dir, spec)
        # The first process counts the start in the journal; the others wait.
        done = made.own.step if made.own is not None else None
        self.attempts = group.largest(self.journal.rewind(done) if group.first else 0)
        self.optimizer = made.optimizer
        self.interpolator = Interpolator(self.network, self.optimizer, spec.optimizer.interpolation)
        self.gradient = prepare_gradient(self.network, processor, group, spec, options, run_dir)
        self.measure = ShardedMeasure(group, max(1, self.gradient.micro_batch))
        self.spikes = SpikeWatch(spec, self.journal)
        self.band = LiveBand(run_dir, self.journal)
        self._open_mixture()
        self.saver = store.Saver(run_dir, group)
        self.log = FullLog(self.journal, processor, group, options, made.flops_per_token, spec, report)
        if self.history is not None and made.own is None and group.first:
            self.journal.log_mixture(self.first, self.history)

    def run(self) -> RunRecord:
        """Train to the end."""
        self.wish()  # from here on there is something to save
        self.log.begin(self.progress.step, self.steps, self.gradient.micro_batch)
        if self.steps == 0 and self.spec.start is None and self.progress.step == 0:
            self._evaluate(0)
            self._export(0)
        for step in range(self.progress.step + 1, self.steps + 1):
            began = time.perf_counter()
            loss, norm, wish = self._step(step)
            self._after_step(step, loss, norm, time.perf_counter() - began)
            if wish != stop.GO_ON and step < self.steps:
                if wish == stop.SAVE and self.saver.saved != step:
                    self._save(step)
                self.saver.wait()
                raise Stopped(f"stopped after step {step}")
        return self.finish("finished", self.journal.earlier_attempt, self.steps)

    def finish(self, status: Literal["finished", "abandoned"], reason: str, step: int) -> RunRecord:
        """Write the record of a run that came to its end, and remove what nothing goes on from."""
        self.saver.wait()
        spec, whole = self.spec, self.run_dir
        if status == "finished" and spec.kind in ("base", "run") and not self._exported(step):
            self._export(step)
        host = self.processor.describe() | self.log.describe(self.gradient.micro_batch)
        record = make_record(
            whole.name, spec, status, reason, self._at(step), self.mixture,
            self.attempts, self.parameters, host,
        )  # fmt: skip
        if self.group.first:
            record.save(whole)
            if status == "finished":
                final = {step} if spec.kind in ("base", "run") else set()
                checkpoint.thin_out(whole, final.union(spec.keep), 0)
                shutil.rmtree(whole / store.FOLDER, ignore_errors=True)
            (whole / FILE_NAME).unlink(missing_ok=True)
            forget(whole)
        self.group.wait()
        return record

    def _step(self, step: int) -> tuple[float, float, int]:
        """One optimizer step; the loss and the gradient norm it saw, and what the processes wish."""
        assert self.batches is not None
        part = self.gradient(self.batches.batch(step))
        norm = clip_gradients(self.network, self.spec.optimizer.clip)
        whole = norm.full_tensor() if isinstance(norm, DTensor) else norm
        # Sums: the loss of the batch, and a wish to leave (1000 and more) or to save (1 and more).
        wish = {stop.GO_ON: 0.0, stop.SAVE: 1.0, stop.LEAVE: 1e6}[self.wish()]
        words = self.group.total(torch.tensor([float(part), wish], dtype=torch.float64))
        loss, asked = float(words[0]), float(words[1])
        refuse_divergence(step, loss, float(whole))
        set_rate(self.optimizer, float(self.journal.rates[step - 1]))
        self.optimizer.step()
        self.interpolator.after_step(step)
        self.optimizer.zero_grad(set_to_none=True)
        return loss, float(whole), stop.LEAVE if asked >= 1e6 else stop.SAVE if asked else stop.GO_ON

    def _after_step(self, step: int, loss: float, norm: float, seconds: float) -> None:
        """Log, evaluate, save and report what is due after an optimizer step."""
        self.progress = self._at(step)
        logged = self.log.take(step, loss, norm, seconds, last=step == self.steps)
        if logged:
            self.spikes.look(step, loss)
        plan, last = self.spec.evaluation, step == self.steps
        due = (plan.every > 0 and step % plan.every == 0) or step in plan.also_at or step in plan.ends or last
        if due:
            self._evaluate(step)
        if step in self.spec.keep:
            self._export(step)
        # At the end the weights are written whole, and nothing goes on from the shards.
        if due and not last:
            self._save(step)
        self.log.tell(step, self.steps, loss, due)

    def _evaluate(self, step: int) -> None:
        plan = self.spec.evaluation
        whole = plan.dense_sequences is None or step in plan.ends
        found = evaluate(
            self.network, self.processor, self.heldout, plan.dense_sequences, whole, self.measure
        )
        for item in found:
            if not np.isfinite((item.value, item.sem)).all():
                raise Diverged(
                    f"diverged: the held-out loss on {item.eval_set} is {item.value} at step {step}"
                )
        checks = self.band.check(step, found)
        if self.group.first:
            self.journal.log_evaluation(step, found, self._r_seen(step))
            for event in report_checks(self.journal, checks):
                self.log.report(event)
        if self.history is not None:
            self._reweight(step, found)

    def _reweight(self, step: int, found: list[Measurement]) -> None:
        assert self.history is not None
        segments = self.history.segments
        self.history = advance_history(self.history, self.spec, step, self.heldout, found)
        if self.history.segments != segments:
            self._open_mixture()
            self.spikes.forget()
            if self.group.first:
                self.journal.log_mixture(step, self.history)

    def _open_mixture(self) -> None:
        self.mixture = (
            open_mixture(self.corpora, self.spec, self.history) if self.steps > self.first else None
        )
        self.batches = None
        if self.mixture is not None:
            self.batches = RankBatches(
                self.corpora, self.mixture, self.spec.batch, self.group.rank, self.group.size
            )

    def _save(self, step: int) -> None:
        self.progress = self._at(step)
        self.saver.save(self.progress, self.network, self.optimizer)

    def _exported(self, step: int) -> bool:
        return checkpoint.checkpoint_folder(self.run_dir, step).is_dir()

    def _export(self, step: int) -> None:
        """Write a checkpoint as a single process does: whole, and readable by `transformers`."""
        self.progress, first = self._at(step), self.group.first
        weights = gather(network_state(self.network), first)
        moments = None
        if step in self.spec.keep and step > 0:
            moments = gather(optimizer_state(self.network, self.optimizer), first)
        if first:
            config = self.network.config.to_json_string()
            checkpoint.write_checkpoint(self.run_dir, self.progress, weights, config, moments)
        self.group.wait()

    def _at(self, step: int) -> Progress:
        seconds = self.before + time.monotonic() - self.clock
        flops = self.flops_per_token * self.spec.tokens_per_step * (step - self.first)
        return Progress(step, seconds, flops, self.history)

    def _r_seen(self, step: int) -> float:
        if self.mixture is None or step == 0:
            return 0.0
        return self.mixture.sampler.r_seen(0, step * self.spec.batch)
