"""The journal of a run, metrics.jsonl: what it measured, step by step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dcpt.core import files
from dcpt.core.annealing import annealing_area, forward_area
from dcpt.core.mixture_history import MixtureHistory
from dcpt.core.run_spec import RunSpec
from dcpt.train.evaluate import Measurement

FILE_NAME = "metrics.jsonl"

LOG_EVERY = 10
"""Steps between rows on the training loss."""

START, RETRY, MICRO_BATCH = "start", "retry", "micro_batch"
_LASTING = (START, RETRY, MICRO_BATCH)
"""Kinds of rows on what happened to the run; they stay when its steps are taken back."""


class Journal:
    """Appends a run's rows, each with its step, phase, rate and areas.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    spec : RunSpec
        Its schedule gives eta, S1 and S2; its kind and ends give the phase.
    """

    def __init__(self, run_dir: Path, spec: RunSpec) -> None:
        self.path = run_dir / FILE_NAME
        self.spec = spec
        self.rates = spec.schedule.rates()
        self.forward = forward_area(self.rates)
        self.annealing = annealing_area(self.rates, warmup=spec.schedule.warmup)

    def rewind(self, step: int | None) -> int:
        """Drop the rows after `step` (None: all), and a torn last line; count a new start.

        What happened to the run stays known. How many sequences it found to fit is what it goes on with:
        its row is then one of the next step.

        Returns
        -------
        int
            How often the run was started, this time included.
        """
        at = step if step is not None else self.spec.first_step
        kept, fitted = [], None
        for row in files.read_lines(self.path):
            if row.get("kind") == MICRO_BATCH and row.get("step", 0) > at:
                fitted = {**row, "step": at + 1}
            elif row.get("kind") in _LASTING or (step is not None and row.get("step", 0) <= step):
                kept.append(row)
        kept += [fitted] if fitted is not None else []
        kept.append({"kind": START, "step": at})
        lines = (json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n" for row in kept)
        files.write_text(self.path, "".join(lines))
        return sum(row.get("kind") == START for row in kept)

    def rows(self, *kinds: str) -> list[dict[str, Any]]:
        """Rows of some kinds, in the order they were logged.

        Raises
        ------
        DataError
            When the journal is damaged before its last line.
        """
        return self.rows_in(self.path.parent, *kinds)

    @staticmethod
    def rows_in(run_dir: Path, *kinds: str) -> list[dict[str, Any]]:
        """Rows of some kinds of a run's journal; none when it has no journal yet."""
        return [row for row in files.read_lines(run_dir / FILE_NAME) if row.get("kind") in kinds]

    @property
    def micro_batch(self) -> int | None:
        """Sequences that went through the network together at last; None where all of a batch did."""
        found = self.micro_batches()
        return found[max(found)] if found else None

    def micro_batches(self) -> dict[int, int]:
        """Step to the sequences that went through the network together from it on, where that changed."""
        found = {int(row["step"]): int(row["rows"]) for row in self.rows(MICRO_BATCH)}
        return dict(sorted(found.items()))

    @property
    def earlier_attempt(self) -> str:
        """What became of the run in its first order of data; empty where it is still in that one."""
        found = self.rows(RETRY)
        return f"trained anew with its data in another order: {found[-1]['reason']}" if found else ""

    def log_micro_batch(self, step: int, rows: int) -> None:
        """One row when a batch does not fit into the memory: so many sequences a pass from this step on."""
        files.append_line(self.path, {"kind": MICRO_BATCH, "step": step, "rows": rows})

    def log_retry(self, shift: int, reason: str) -> None:
        """One row when the run begins again with the seed of its data order raised by `shift`."""
        row = {"kind": RETRY, "step": self.spec.first_step, "shift": shift, "reason": reason}
        files.append_line(self.path, row)

    def log_training(self, step: int, loss: float, grad_norm: float, tokens_per_second: float) -> None:
        """One row on the training loss of a step, in nats per token."""
        files.append_line(
            self.path,
            {
                "kind": "train",
                "step": step,
                "loss": loss,
                "eta": float(self.rates[step - 1]),
                "grad_norm": grad_norm,
                "tokens_per_second": round(tokens_per_second, 1),
            },
        )

    def log_evaluation(self, step: int, measurements: Sequence[Measurement], r_seen: float) -> None:
        """One row per evaluation set and metric; `r_seen` is the domain share of this phase so far."""
        kind, phase = self.phase(step)
        of_base = self.spec.kind == "base"
        trained = step * self.spec.tokens_per_step
        place: Mapping[str, Any] = {
            "eta": float(self.rates[step - 1]) if step else 0.0,
            "S1": float(self.forward[step - 1]) if step else 0.0,
            "S2": float(self.annealing[step - 1]) if step else 0.0,
            "tokens": self.spec.tokens_before + trained,
            "D": 0 if of_base else trained,
            "r_seen": 0.0 if of_base else r_seen,
        }
        head: Mapping[str, Any] = {"kind": kind, "step": step, "phase": phase}
        files.append_lines(self.path, [{**head, **vars(item), **place} for item in measurements])

    def log_mixture(self, step: int, history: MixtureHistory) -> None:
        """One row on the shares in force after `step` steps, and the losses at that time where there are any.

        Per corpus: ``share:NAME`` of the next segment's sequences, ``wanted:NAME`` before rounding to
        whole sequences, ``loss:NAME`` in nats per token.
        """
        segment = history.segments[-1]
        parts = {"share": segment.shares, "wanted": segment.wanted}
        if history.recent:
            parts["loss"] = history.recent[-1]
        values = {f"{part}:{name}": value for part, row in parts.items() for name, value in row.items()}
        files.append_line(self.path, {"kind": "mixture", "step": step, **values})

    def phase(self, step: int) -> tuple[str, str]:
        """Kind of row and phase of an evaluation after `step` steps.

        The last evaluation of a base is the point D = 0 of what starts from it; its earlier ones are
        no points of continual pre-training and are logged as ``eval_base``.
        """
        schedule = self.spec.schedule
        running = "trunk" if step <= schedule.decay_start else "decay"
        if self.spec.kind == "base":
            return ("eval", "base") if step == schedule.steps else ("eval_base", running)
        return "eval", "end" if step in self.spec.evaluation.ends else running
