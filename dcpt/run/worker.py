"""One worker process of the trainer, and the pipe to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from dcpt.core.errors import DataError


class Worker:
    """A long-lived ``python -m dcpt.train serve`` that takes one run after another.

    Parameters
    ----------
    number : int
        Number among the workers that are there at the same time.
    logs : path
        Folder of logs; its standard error is appended to ``worker-<number>.log`` there.
    device : str
        Device of the trainer: auto, cpu or cuda.
    gpu : str, optional
        The one CUDA device it sees, by its name in ``CUDA_VISIBLE_DEVICES``.
    hold : int, optional
        File descriptor of a lock that it keeps until it ends.
    precision : str
        Number format of the trainer's forward pass: fp32 or bf16.

    Attributes
    ----------
    run_id : str or None
        The run it is at, None when idle.
    served, spoke : bool
        Whether it has finished a run, and whether it has said anything of the one it is at.
    output : file
        The pipe its events come from; it does not block.
    """

    def __init__(
        self,
        number: int,
        logs: Path,
        device: str = "auto",
        gpu: str | None = None,
        hold: int | None = None,
        precision: str = "fp32",
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
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            errors = open(log, "ab")  # noqa: SIM115 (closed below, by the with)
        except OSError as error:
            raise DataError(f"{log}: could not be opened: {error.strerror or error}.") from error
        with errors:
            self._log_start = errors.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dcpt.train", "serve", "--device", device, "--precision", precision],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                pass_fds=() if hold is None else (hold,),
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the workers
            )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        os.set_blocking(self.output.fileno(), False)
        self.number = number
        self.log = log
        self.gpu = gpu
        self.run_id: str | None = None
        self.served = self.spoke = False
        self._rest = b""

    def give(self, run_id: str, folder: Path) -> bool:
        """Hand it a run; False when it has died and cannot take one."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write((json.dumps({"run_dir": str(folder.resolve())}) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        self.run_id, self.spoke = run_id, False
        return True

    def read_events(self) -> list[dict[str, Any]]:
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
            if isinstance(event, dict) and "event" in event:
                events.append(event)
        return events

    @property
    def alive(self) -> bool:
        """Whether the process is still running."""
        return self.process.poll() is None

    def cause_of_death(self) -> str:
        """How it ended, and the last line it wrote to its log, in a few words."""
        code = self.process.returncode
        if code is not None and code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            how = f"the worker was killed by {name}"
            if name == "SIGKILL":
                how += " (by someone, or by the system when memory ran out)"
        else:
            how = f"the worker died (exit {code})"
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
