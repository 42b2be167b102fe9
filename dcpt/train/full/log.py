"""What a full run says of itself: losses, speed and utilisation, in its journal and to whoever started it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from dcpt.core import files
from dcpt.core.run_spec import RunSpec
from dcpt.train.full.group import Group
from dcpt.train.full.options import FullOptions
from dcpt.train.full.speed import find_hardware, utilisation
from dcpt.train.journal import LOG_EVERY, Journal
from dcpt.train.processor import Processor

PROGRESS_SECONDS = 0.5
"""Least time between two progress events."""


class FullLog:
    """Rows and events of a full run; only the first process writes.

    Parameters
    ----------
    journal : Journal
        Rewound.
    processor : Processor
        This process's device.
    group : Group
        The processes.
    options : FullOptions
        Names the hardware.
    flops_per_token : float
        Of training.
    spec : RunSpec
        The run.
    report : callable
        Called with each event.
    """

    def __init__(
        self,
        journal: Journal,
        processor: Processor,
        group: Group,
        options: FullOptions,
        flops_per_token: float,
        spec: RunSpec,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        self.journal, self.group, self.spec, self.listener = journal, group, spec, report
        self.hardware = find_hardware(processor, options.hardware)
        self.flops_per_token = flops_per_token
        self.span = self.rate = self.told = self.total = 0.0
        self.mark = self.steps = 0

    def begin(self, step: int, steps: int, micro_batch: int) -> None:
        """Say that the run starts or goes on."""
        self.mark = step
        self.report(
            {
                "event": "started",
                "step": step,
                "steps": steps,
                "processes": self.group.size,
                "micro_batch": micro_batch,
                "pid": os.getpid(),
            }
        )

    def take(self, step: int, loss: float, norm: float, seconds: float, last: bool) -> bool:
        """Count a step; log a row on it when one is due, and say whether it was."""
        self.span += seconds
        self.total += seconds
        self.steps += 1
        if step % LOG_EVERY and not last:
            return False
        self.rate = (step - self.mark) * self.spec.tokens_per_step / self.span
        if self.group.first:
            self.journal.log_training(step, loss, norm, self.rate)
            share = self._share(self.rate)
            row = {"kind": "speed", "step": step, "tokens_per_second": round(self.rate, 1)}
            if share is not None and self.hardware is not None:
                row |= {"mfu": round(share, 6), "hardware": self.hardware.name}
            files.append_line(self.journal.path, row)
        self.span, self.mark = 0.0, step
        return True

    def tell(self, step: int, steps: int, loss: float, due: bool) -> None:
        """Say how far the run is, now and then or when it is `due`."""
        now = time.monotonic()
        if not due and now - self.told < PROGRESS_SECONDS:
            return
        self.told = now
        speed = self.rate or self._mean_rate()
        event = {"event": "progress", "step": step, "steps": steps, "loss": loss}
        event["tokens_per_second"] = round(speed, 1)
        share = self._share(speed)
        self.report(event if share is None else {**event, "mfu": round(share, 6)})

    def describe(self, micro_batch: int) -> dict[str, str]:
        """What the record says of how the run was trained, this start's speed included."""
        found = {"trainer": "full", "processes": str(self.group.size), "micro_batch": str(micro_batch)}
        if self.steps:
            rate = self._mean_rate()
            found["tokens_per_second"] = f"{rate:.1f}"
            share = self._share(rate)
            if share is not None and self.hardware is not None:
                found |= {"mfu": f"{share:.4f}", "mfu_hardware": self.hardware.name}
        return found

    def report(self, event: dict[str, Any]) -> None:
        """Pass an event of this run on."""
        if self.group.first:
            self.listener({"run_id": self.journal.path.parent.name, **event})

    def _mean_rate(self) -> float:
        return self.steps * self.spec.tokens_per_step / self.total

    def _share(self, rate: float) -> float | None:
        return utilisation(rate, self.flops_per_token, self.hardware, self.group.size)
