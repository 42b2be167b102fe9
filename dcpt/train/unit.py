"""One run, from its spec to its record: the training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import PreTrainedModel

from dcpt.core import files
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import SCHEMA_VERSION, RunSpec, from_dict
from dcpt.cost.flops import training_flops_per_token
from dcpt.train import checkpoint
from dcpt.train.checkpoint import Progress
from dcpt.train.evaluate import Measurement, evaluate, read_heldout
from dcpt.train.failure import Diverged, Stopped
from dcpt.train.inputs import open_corpora, open_mixture
from dcpt.train.journal import Journal
from dcpt.train.model import count_parameters, head_size
from dcpt.train.optimizer import clip_gradients, make_optimizer, set_rate
from dcpt.train.processor import Processor
from dcpt.train.reweighting import advance_history, find_history
from dcpt.train.start import start_network

Report = Callable[[dict[str, Any]], None]
Stop = Callable[[], Literal["save", "leave"] | None]

LOG_EVERY = 10
"""Steps between rows on the training loss."""

PROGRESS_SECONDS = 0.5
"""Least time between two progress events."""

KEPT_WHILE_RUNNING = 2
"""Checkpoints of a running run: the newest, and the one before should the newest be damaged."""


def read_spec(run_dir: Path) -> RunSpec:
    """The spec of a run's folder.

    Raises
    ------
    DataError, ConfigError
        When ``spec.json`` is absent or damaged.
    """
    path = run_dir / "spec.json"
    document = files.read_json(path, "a run spec", SCHEMA_VERSION)
    document.pop("schema_version")
    return from_dict(RunSpec, document, str(path))


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
    return _Unit(run_dir, processor, report, stop).run()


class _Unit:
    def __init__(self, run_dir: Path, processor: Processor, report: Report, stop: Stop) -> None:
        self.clock = time.monotonic()
        self.run_dir, self.processor, self.report, self.stop = run_dir, processor, report, stop
        self.spec = spec = read_spec(run_dir)
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
        self.attempts = self.journal.rewind(own.step if own else None)
        if self.history is not None and own is None:
            self.journal.log_mixture(self.first, self.history)
        self.parameters = count_parameters(self.network)
        config = self.network.config
        self.flops_per_step = spec.tokens_per_step * training_flops_per_token(
            self.parameters,
            int(getattr(config, "num_hidden_layers", 0)),
            int(getattr(config, "hidden_size", 0)),
            spec.context,
            head_size(self.network),
        )
        self.before = self.progress.seconds
        self.told = 0.0

    def run(self) -> RunRecord:
        spec, done = self.spec, self.progress.step
        self._tell("started", step=done, steps=self.steps)
        try:
            if self.steps == 0 and spec.start is None and not checkpoint.list_steps(self.run_dir):
                self._evaluate(0)
                self._save(0)
            self._train(done)
        except Diverged as error:
            return self._finish("abandoned", str(error), self.progress.step)
        return self._finish("finished", "", self.steps)

    def _train(self, done: int) -> None:
        span, rate = 0.0, 0.0  # training time and speed since the last row
        mark = done
        for step in range(done + 1, self.steps + 1):
            self._stop_if_asked(step - 1)
            began = time.perf_counter()
            loss, norm = self._step(step)
            span += time.perf_counter() - began
            last = step == self.steps
            if step % LOG_EVERY == 0 or last:
                rate = (step - mark) * self.spec.tokens_per_step / span
                self.journal.log_training(step, loss, norm, rate)
                span, mark = 0.0, step
            due = last or self._is_due(step)
            if due:
                self._evaluate(step)
            if due or step in self.spec.keep:
                self._save(step)
            now = time.monotonic()
            if due or now - self.told >= PROGRESS_SECONDS:
                speed = rate or (step - mark) * self.spec.tokens_per_step / span
                self.told = now
                self._tell(
                    "progress", step=step, steps=self.steps, loss=loss, tokens_per_second=round(speed, 1)
                )

    def _step(self, step: int) -> tuple[float, float]:
        """One optimizer step; the loss and the gradient norm it saw."""
        assert self.mixture is not None
        tokens = torch.from_numpy(self.mixture.batch(step)).to(self.processor.device, non_blocking=True)
        loss = _mean_loss(self.network, self.processor, tokens)
        loss.backward()
        norm = clip_gradients(self.network, self.spec.optimizer.clip)
        values = torch.stack((loss.detach(), norm)).tolist()
        if not np.isfinite(values).all():
            what, value = ("loss", values[0]) if not np.isfinite(values[0]) else ("gradient norm", values[1])
            raise Diverged(f"diverged: the training {what} is {value} at step {step}")
        set_rate(self.optimizer, float(self.journal.rates[step - 1]))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress = self._at(step)
        return values[0], values[1]

    def _evaluate(self, step: int) -> None:
        plan = self.spec.evaluation
        whole = plan.dense_sequences is None or step in plan.ends
        measurements = evaluate(self.network, self.processor, self.heldout, plan.dense_sequences, whole)
        for item in measurements:
            if not np.isfinite((item.value, item.sem)).all():
                raise Diverged(
                    f"diverged: the held-out loss on {item.eval_set} is {item.value} at step {step}"
                )
        self.journal.log_evaluation(step, measurements, self._r_seen(step) or 0.0)
        if self.history is not None:
            self._reweight(step, measurements)

    def _reweight(self, step: int, measurements: list[Measurement]) -> None:
        assert self.history is not None
        segments = self.history.segments
        self.history = advance_history(self.history, self.spec, step, self.heldout, measurements)
        if self.history.segments != segments:
            self.mixture = open_mixture(self.corpora, self.spec, self.history)
            self.journal.log_mixture(step, self.history)

    def _save(self, step: int) -> None:
        self.progress = self._at(step)
        optimizer = self.optimizer if step > 0 else None
        checkpoint.save_checkpoint(self.run_dir, self.progress, self.network, optimizer)
        checkpoint.thin_out(self.run_dir, self.spec.keep, KEPT_WHILE_RUNNING)

    def _is_due(self, step: int) -> bool:
        plan = self.spec.evaluation
        return (plan.every > 0 and step % plan.every == 0) or step in plan.also_at or step in plan.ends

    def _stop_if_asked(self, step: int) -> None:
        wish = self.stop()
        if wish is None:
            return
        if wish == "save" and step > self.first and step not in checkpoint.list_steps(self.run_dir):
            self._save(step)
        raise Stopped(f"stopped after step {step}")

    def _at(self, step: int) -> Progress:
        seconds = self.before + time.monotonic() - self.clock
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
        if start is not None and start.mode == "continue":
            return checkpoint.checkpoint_folder(root / "runs" / start.run_id, start.step)
        return None

    def _finish(self, status: Literal["finished", "abandoned"], reason: str, step: int) -> RunRecord:
        spec = self.spec
        sequences = step * spec.batch
        progress = self._at(step)
        record = RunRecord(
            run_id=self.run_dir.name,
            status=status,
            reason=reason,
            attempts=self.attempts,
            parameters=self.parameters,
            steps=step,
            tokens=step * spec.tokens_per_step,
            r_seen=self._r_seen(step),
            epochs=self.mixture.sampler.epochs(sequences) if self.mixture is not None else {},
            flops=progress.flops,
            seconds=progress.seconds,
            host=self.processor.describe(),
            versions=_versions(),
        )
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


def _mean_loss(network: PreTrainedModel, processor: Processor, tokens: torch.Tensor) -> torch.Tensor:
    with processor.autocast():
        logits = network(input_ids=tokens[:, :-1], use_cache=False).logits
    return F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())


def _versions() -> dict[str, str]:
    try:
        own = metadata.version("dcpt")
    except metadata.PackageNotFoundError:
        own = "not installed"
    return {
        "dcpt": own,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
    }
