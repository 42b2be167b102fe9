"""One worker process of the trainer, and the pipe to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dcpt.core.errors import DataError
from dcpt.run.executor import Event


class Worker:
    """A long-lived ``python -m dcpt.train serve`` that takes one run after another.

    Parameters
    ----------
    number : int or str
        Number among the workers that are there at the same time.
    logs : path
        Folder of logs; its standard error is appended to ``worker-<number>.log`` there.
    device : str
        Device of the trainer: auto, cpu or cuda.
    gpu : str, optional
        The one CUDA device it sees, by its name in ``CUDA_VISIBLE_DEVICES``.
    hold : sequence of int
        File descriptors of locks that it keeps until it ends.
    precision : str
        Number format of the trainer's forward pass: fp32 or bf16.
    options : sequence of str
        More options of the trainer's command line.

    Attributes
    ----------
    runs : list of str
        The runs of the group it is at that have not ended; empty when idle.
    served, spoke : bool
        Whether it has finished a run, and whether it has said anything of those it is at.
    output : file
        The pipe its events come from; it does not block.
    """

    def __init__(
        self,
        number: int | str,
        logs: Path,
        device: str = "auto",
        gpu: str | None = None,
        hold: Sequence[int] = (),
        precision: str = "fp32",
        options: Sequence[str] = (),
    ) -> None:
        log = logs / f"worker-{number}.log"
        environment = dict(os.environ)
        # One thread each: two threads per worker collapse as soon as the cores are shared.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
        environment["TOKENIZERS_PARALLELISM"] = "false"
        environment["PYTHONUNBUFFERED"] = "1"
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        command = [sys.executable, "-m", "dcpt.train", "serve", "--device", device, "--precision", precision]
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            errors = open(log, "ab")  # noqa: SIM115 (closed below, by the with)
        except OSError as error:
            raise DataError(f"{log}: could not be opened: {error.strerror or error}.") from error
        with errors:
            self._log_start = errors.tell()
            self.process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                pass_fds=tuple(hold),
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the workers
            )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        os.set_blocking(self.output.fileno(), False)
        self.number = number
        self.log = log
        self.gpu = gpu
        self.runs: list[str] = []
        self.served = self.spoke = False
        self._rest = b""

    def give(self, runs: Sequence[str], folders: Sequence[Path]) -> bool:
        """Hand it a run, or several to train together; False when it has died and cannot take them."""
        assert self.process.stdin is not None
        paths = [str(folder.resolve()) for folder in folders]
        order = {"run_dir": paths[0]} if len(paths) == 1 else {"run_dirs": paths}
        try:
            self.process.stdin.write((json.dumps(order) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        self.runs, self.spoke = list(runs), False
        return True

    def read_events(self) -> list[Event]:
        """Whole events that have arrived since the last call."""
        chunk = self.output.read()
        if not chunk:
            return []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events = []
        for line in lines:
            try:
                event = json.loads(line)
            except (UnicodeDecodeError, json.JSONDecodeError):
                continue  # a library that prints to stdout must not stop the sweep
            if isinstance(event, dict) and event.get("event") == "died":
                events += self._lose(int(event["signal"]))
            elif isinstance(event, dict) and "event" in event:
                events.append(event)
                self._hear(event)
        return events

    def _lose(self, number: int) -> list[Event]:
        """The process that trains was killed; its guard has another one ready when it is told so."""
        began = not self.served or self.spoke
        reason = self._with_last_words(_killed_by(number))
        lost = [{"event": "lost", "run_id": name, "reason": reason, "began": began} for name in self.runs]
        self.runs = []
        with contextlib.suppress(OSError):
            self._log_start = self.log.stat().st_size
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b'{"again": true}\n')
            self.process.stdin.flush()
        return lost

    def _hear(self, event: Event) -> None:
        name = event.get("run_id")
        if name not in self.runs:
            return
        self.spoke = True
        if event["event"] in ("finished", "failed"):
            self.runs.remove(name)
            self.served = self.served or event["event"] == "finished"

    @property
    def alive(self) -> bool:
        """Whether the process is still running."""
        return self.process.poll() is None

    def cause_of_death(self) -> str:
        """How it ended, and the last line it wrote to its log, in a few words."""
        code = self.process.returncode
        if code is not None and code < 0:
            return self._with_last_words(_killed_by(-code))
        return self._with_last_words(f"the worker died (exit {code})")

    def _with_last_words(self, how: str) -> str:
        words = self.last_words()
        return f"{how}: {words}" if words else how

    def last_words(self) -> str:
        """Last line it wrote to its log."""
        try:
            with open(self.log, "rb") as file:
                file.seek(self._log_start)
                lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""

    def terminate(self) -> None:
        """Ask it to save and stop."""
        if self.alive:
            self.process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def close(self, timeout: float) -> None:
        """Close its input, wait up to `timeout` seconds, then kill it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()


def _killed_by(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    how = f"the worker was killed by {name}"
    if name == "SIGKILL":
        how += " (by someone, or by the system when memory ran out)"
    return how
