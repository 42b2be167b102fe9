"""One run, from its spec to its record: the training loop."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from dcpt.core.run_record import RunRecord
from dcpt.cost.flops import training_flops_per_token
from dcpt.train import checkpoint
from dcpt.train.band import LiveBand, report_checks
from dcpt.train.checkpoint import Progress
from dcpt.train.evaluate import Measure, Measurement, evaluate, measure_losses, read_heldout
from dcpt.train.failure import Diverged, Stopped, refuse_divergence
from dcpt.train.inputs import open_corpora, open_mixture, read_spec
from dcpt.train.interpolation import Interpolator
from dcpt.train.journal import LOG_EVERY, Journal
from dcpt.train.micro_batch import MicroBatch, describe
from dcpt.train.model import count_parameters, head_size
from dcpt.train.objective import Objective
from dcpt.train.optimizer import clip_gradients, make_optimizer, set_rate
from dcpt.train.outcome import make_record
from dcpt.train.processor import Processor
from dcpt.train.reweighting import advance_history, find_history
from dcpt.train.save_spacing import SAVE_SHARE, SaveSpacing
from dcpt.train.spike import SpikeWatch, begin_again, with_data_order
from dcpt.train.start import start_network

Report = Callable[[dict[str, Any]], None]
Stop = Callable[[], Literal["save", "leave"] | None]

PROGRESS_SECONDS = 0.5
"""Least time between two progress events."""

KEPT_WHILE_RUNNING = 2
"""Checkpoints of a running run: the newest, and the one before should the newest be damaged."""


def run(
    run_dir: Path,
    processor: Processor,
    report: Report = lambda event: None,
    stop: Stop = lambda: None,
) -> RunRecord:
    """Train a run to its end, from its last checkpoint if there is one.

    Parameters
    ----------
    run_dir : Path
        ``ROOT/runs/<run_id>`` with a ``spec.json``.
    processor : Processor
        Where to compute.
    report : callable
        Called with ``started`` and ``progress`` events.
    stop : callable
        Asked before each step: None goes on, ``"save"`` writes a checkpoint and stops, ``"leave"``
        stops at once.

    Returns
    -------
    RunRecord
        Status ``finished``, or ``abandoned`` for a run that diverged; also saved in the folder.

    Raises
    ------
    DataError, ConfigError
        When the spec, a corpus or the starting checkpoint is unusable.
    Stopped
        When `stop` asked for it.
    """
    run_dir = run_dir.resolve()
    record = RunRecord.load(run_dir)
    if record is not None and record.status == "finished":
        return record
    while (record := Unit(run_dir, processor, report, stop).run()) is None:
        gc.collect()  # of an attempt that is given up nothing is left, or two would have to fit into memory
    return record


class Unit:
    """A run in progress, set up as `run` is told: its network, optimizer and data, and what is due when."""

    def __init__(self, run_dir: Path, processor: Processor, report: Report, stop: Stop) -> None:
        self.clock = time.monotonic()
        self.run_dir, self.processor, self.report, self.stop = run_dir, processor, report, stop
        self.spec = spec = with_data_order(run_dir, read_spec(run_dir))
        root = run_dir.parent.parent
        self.corpora = open_corpora(root, spec)
        self.steps, self.first = spec.schedule.steps, spec.first_step
        self.heldout = read_heldout(self.corpora, spec.mixture, spec.context, spec.evaluation.sequences)
        self.journal = Journal(run_dir, spec)
        own = checkpoint.newest_whole(run_dir, self.steps)
        self.network = start_network(root, run_dir, spec, own).to(processor.device)
        self.network.train()
        self.history = find_history(root, spec, own, self.heldout)
        self.mixture = open_mixture(self.corpora, spec, self.history) if self.steps > self.first else None
        self.progress = own or Progress(self.first, mixture=self.history)
        self.optimizer = make_optimizer(self.network, spec.optimizer)
        source = self._optimizer_source(root, own)
        if source is not None:
            checkpoint.load_optimizer(source, self.network, self.optimizer)
        self.interpolator = Interpolator(self.network, self.optimizer, spec.optimizer.interpolation)
        self.objective = Objective(self.network, processor, spec.optimizer.tilt)
        self.attempts = self.journal.rewind(own.step if own else None)
        if self.history is not None and own is None:
            self.journal.log_mixture(self.first, self.history)
        self.micro_batch = MicroBatch(spec.batch, self.journal.micro_batch)
        self.spikes = SpikeWatch(spec, self.journal)
        self.band = LiveBand(run_dir, self.journal)
        self.parameters = count_parameters(self.network)
        config = self.network.config
        self.flops_per_step = spec.tokens_per_step * training_flops_per_token(
            self.parameters,
            int(getattr(config, "num_hidden_layers", 0)),
            int(getattr(config, "hidden_size", 0)),
            spec.context,
            head_size(self.network),
        )
        self.before, self.sharing = self.progress.seconds, 1
        self.manner: dict[str, str] = {}  # what the record says of how it was packed
        self.spacing = SaveSpacing(SAVE_SHARE if processor.device.type == "cuda" else None)
        self.measure: Measure = measure_losses
        self.told = self.span = self.rate = 0.0  # training time and speed since the last row
        self.mark = self.progress.step

    def run(self) -> RunRecord | None:
        """Train to the end; None when it has been set back to its start, to be set up anew."""
        try:
            self.begin()
            self.train(self.steps)
        except Diverged as error:
            if begin_again(self.run_dir, self.spec, self.journal, error):
                return None
            return self.finish("abandoned", str(error), self.progress.step)
        return self.finish("finished", self.journal.earlier_attempt, self.steps)

    def begin(self) -> None:
        """Say that the run starts; measure a base that has no step to train."""
        self._tell("started", step=self.progress.step, steps=self.steps)
        if self.steps == 0 and self.spec.start is None and not checkpoint.list_steps(self.run_dir):
            self._evaluate(0)
            self.save(0)

    def train(self, until: int) -> None:
        """Take the steps up to `until`."""
        for step in range(self.progress.step + 1, until + 1):
            self._stop_if_asked(step - 1)
            began = time.perf_counter()
            loss, norm = self._step(step)
            self.after_step(step, loss, norm, time.perf_counter() - began)

    def after_step(self, step: int, loss: float, norm: float, seconds: float) -> None:
        """Log, evaluate, save and report what is due after an optimizer step that took so many seconds.

        Raises
        ------
        Diverged
            When a held-out loss is not finite, or the training loss has spiked.
        """
        self.progress = self._at(step)
        self.span += seconds
        last = step == self.steps
        if step % LOG_EVERY == 0 or last:
            self.rate = (step - self.mark) * self.spec.tokens_per_step / self.span
            self.journal.log_training(step, loss, norm, self.rate)
            self.spikes.look(step, loss)
            self.span, self.mark = 0.0, step
        due = last or self.is_due(step)
        if due:
            self._evaluate(step)
        if last or step in self.spec.keep or (due and self.spacing.is_worth(self.sharing)):
            self.save(step)
        now = time.monotonic()
        if due or now - self.told >= PROGRESS_SECONDS:
            speed = self.rate or (step - self.mark) * self.spec.tokens_per_step / self.span
            self.told = now
            self._tell("progress", step=step, steps=self.steps, loss=loss, tokens_per_second=round(speed, 1))

    def _step(self, step: int) -> tuple[float, float]:
        """One optimizer step; the loss and the gradient norm it saw."""
        assert self.mixture is not None
        tokens = torch.from_numpy(self.mixture.batch(step)).to(self.processor.device, non_blocking=True)
        self.objective.begin(tokens)
        rows = self.micro_batch.rows
        loss = self.micro_batch.backward(self.network, tokens, self.objective)
        if self.micro_batch.rows != rows:
            self.journal.log_micro_batch(step, self.micro_batch.rows)
        norm = clip_gradients(self.network, self.spec.optimizer.clip)
        values = torch.stack((loss, norm)).tolist()
        refuse_divergence(step, *values)
        set_rate(self.optimizer, float(self.journal.rates[step - 1]))
        self.optimizer.step()
        self.interpolator.after_step(step)
        self.optimizer.zero_grad(set_to_none=True)
        return values[0], values[1]

    def _evaluate(self, step: int) -> None:
        plan = self.spec.evaluation
        whole = plan.dense_sequences is None or step in plan.ends
        measurements = evaluate(
            self.network, self.processor, self.heldout, plan.dense_sequences, whole, self.measure
        )
        for item in measurements:
            if not np.isfinite((item.value, item.sem)).all():
                raise Diverged(
                    f"diverged: the held-out loss on {item.eval_set} is {item.value} at step {step}"
                )
        self.journal.log_evaluation(step, measurements, self._r_seen(step) or 0.0)
        for event in report_checks(self.journal, self.band.check(step, measurements)):
            self.report({"run_id": self.run_dir.name, **event})
        if self.history is not None:
            self._reweight(step, measurements)

    def _reweight(self, step: int, measurements: list[Measurement]) -> None:
        assert self.history is not None
        segments = self.history.segments
        self.history = advance_history(self.history, self.spec, step, self.heldout, measurements)
        if self.history.segments != segments:
            self.mixture = open_mixture(self.corpora, self.spec, self.history)
            self.journal.log_mixture(step, self.history)
            self.spikes.forget()

    def save(self, step: int) -> None:
        """Write a checkpoint, and remove those that are no longer needed."""
        self.progress, began = self._at(step), time.monotonic()
        # Nothing is trained on from the end of a run unless it says so.
        on = 0 < step < self.steps or (step > 0 and step in self.spec.keep)
        checkpoint.save_checkpoint(self.run_dir, self.progress, self.network, self.optimizer if on else None)
        checkpoint.thin_out(self.run_dir, self.spec.keep, KEPT_WHILE_RUNNING)
        self.spacing.note(began)

    def is_due(self, step: int) -> bool:
        """Whether an evaluation is asked for after `step` steps."""
        plan = self.spec.evaluation
        return (plan.every > 0 and step % plan.every == 0) or step in plan.also_at or step in plan.ends

    def _stop_if_asked(self, step: int) -> None:
        wish = self.stop()
        if wish is None:
            return
        if wish == "save":
            self.save_before_stop(step)
        raise Stopped(f"stopped after step {step}")

    def save_before_stop(self, step: int) -> None:
        """Write a checkpoint unless there is one of this step, or nothing was done."""
        if step > self.first and step not in checkpoint.list_steps(self.run_dir):
            self.save(step)

    def share_time(self, sharing: int) -> None:
        """From now on the time is that of so many runs, and each has an equal part of it."""
        self.before = self._at(self.progress.step).seconds
        self.clock, self.sharing = time.monotonic(), sharing

    def _at(self, step: int) -> Progress:
        seconds = self.before + (time.monotonic() - self.clock) / self.sharing
        return Progress(step, seconds, self.flops_per_step * (step - self.first), self.history)

    def _r_seen(self, step: int) -> float | None:
        if self.mixture is None or step == 0:
            return None
        return self.mixture.sampler.r_seen(0, step * self.spec.batch)

    def _optimizer_source(self, root: Path, own: Progress | None) -> Path | None:
        """Checkpoint whose optimizer state the run goes on with, if it goes on at all."""
        start = self.spec.start
        if own is not None:
            return checkpoint.checkpoint_folder(self.run_dir, own.step) if own.step < self.steps else None
        if start is not None and (start.mode == "continue" or start.optimizer == "restored"):
            return checkpoint.checkpoint_folder(root / "runs" / start.run_id, start.step)
        return None

    def finish(self, status: Literal["finished", "abandoned"], reason: str, step: int) -> RunRecord:
        """Write the record of a run that came to its end, and remove what nothing goes on from."""
        spec = self.spec
        progress = self._at(step)
        host = self.processor.describe() | self.manner
        host |= describe(spec.batch, spec.first_step, self.journal.micro_batches())
        record = make_record(
            self.run_dir.name, spec, status, reason, progress, self.mixture,
            self.attempts, self.parameters, host,
        )  # fmt: skip
        if status == "finished":
            if spec.kind in ("base", "run") and step not in spec.keep:
                checkpoint.drop_optimizer(checkpoint.checkpoint_folder(self.run_dir, step), progress)
            record.save(self.run_dir)
            final = {step} if spec.kind in ("base", "run") else set()
            checkpoint.thin_out(self.run_dir, final.union(spec.keep), 0)
        else:
            record.save(self.run_dir)
        return record

    def _tell(self, event: str, **values: Any) -> None:
        self.report({"event": event, "run_id": self.run_dir.name, **values})
