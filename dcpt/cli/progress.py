"""A bar with an ETA on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import typer

from dcpt.cli.show import hours, say

EXIT_STOPPED = 130
"""Exit status after Ctrl-C, as shells have it: 128 + SIGINT."""

ENDED = {"slurm": "its Slurm jobs are cancelled, ", "ray": "its Ray actors have ended, "}
"""What becomes of a cluster's work after Ctrl-C."""

QUIET_INTERVAL = 20.0
"""Seconds between lines where there is no terminal."""


@contextmanager
def stopping_with(words: str) -> Iterator[None]:
    """Let Ctrl-C end the command with a sentence and `EXIT_STOPPED`."""
    try:
        yield
    except KeyboardInterrupt:
        say(words)
        raise typer.Exit(EXIT_STOPPED) from None


class Progress:
    """Follows the workers' events; use as a context manager, call with each event.

    Ctrl-C inside it ends the command with a word on how to go on, and `EXIT_STOPPED`.

    Parameters
    ----------
    work : mapping
        Run id to its share of the work (any unit).
    first_steps : mapping
        Run id to the step it starts after.
    done : set of str
        Runs that are finished already.
    executor : str
        local, ray or slurm: Ctrl-C says what becomes of what is under way there.
    """

    def __init__(
        self,
        work: Mapping[str, float],
        first_steps: Mapping[str, int],
        done: set[str],
        executor: str = "local",
    ) -> None:
        self.executor = executor
        self.work, self.first_steps = dict(work), dict(first_steps)
        self.total = sum(work.values()) or 1.0
        self.share = {name: 1.0 if name in done else 0.0 for name in work}
        self.before = self._done()
        self.rates: dict[str, float] = {}
        self.started = self.spoken = time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[eta]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task("training", total=1.0, completed=self.before, eta="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            ended = ENDED.get(self.executor, "")
            say(f"stopped; {ended}every run keeps its last evaluation, the same command goes on from there")
            raise typer.Exit(EXIT_STOPPED) from None

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event of a worker."""
        name = event.get("run_id")
        kind = event["event"]
        if kind == "progress" and name in self.share:
            first = self.first_steps.get(name, 0)
            span = max(1, int(event["steps"]) - first)
            self.share[name] = min(1.0, max(0.0, (int(event["step"]) - first) / span))
            self.rates[name] = float(event.get("tokens_per_second") or 0.0)
        elif kind == "finished" and name in self.share:
            self.share[name] = 1.0
            self.rates.pop(name, None)
        elif kind in ("failed", "abandoned", "retry"):
            self.rates.pop(str(name), None)
            if kind != "failed" or "retry" not in event:
                say(f"{kind}: {name}: {event.get('reason', '')}")
        self._show()

    def _done(self) -> float:
        return sum(self.work[name] * share for name, share in self.share.items()) / self.total

    def _show(self) -> None:
        done, elapsed = self._done(), time.monotonic() - self.started
        made = done - self.before
        eta = f"ETA {hours(elapsed * (1 - done) / made / 3600)}" if made > 0.005 and elapsed > 3 else ""
        finished = sum(share == 1.0 for share in self.share.values())
        text = f"{finished}/{len(self.share)} runs  {sum(self.rates.values()) / 1e3:.0f}k tokens/s"
        if self.bar is not None:
            self.bar.update(self.task, completed=done, description=text, eta=eta)
        elif time.monotonic() - self.spoken >= QUIET_INTERVAL:
            self.spoken = time.monotonic()
            say(f"  {100 * done:3.0f} %  {text}  {eta}")
