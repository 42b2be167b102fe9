"""One worker process of the trainer, and the pipe to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Worker:
    """A long-lived ``python -m dcpt.train serve`` that takes one run after another.

    Parameters
    ----------
    log : path
        File its standard error is appended to.
    device : str
        Device of the trainer: auto, cpu or cuda.
    gpu : int, optional
        The one CUDA device it sees.

    Attributes
    ----------
    run_id : str or None
        The run it is at, None when idle.
    """

    def __init__(self, log: Path, device: str = "auto", gpu: int | None = None) -> None:
        environment = dict(os.environ)
        # One thread each: two threads per worker collapse as soon as the cores are shared.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
        environment["TOKENIZERS_PARALLELISM"] = "false"
        environment["PYTHONUNBUFFERED"] = "1"
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = str(gpu)
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dcpt.train", "serve", "--device", device],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the workers
            )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.log = log
        self.gpu = gpu
        self.run_id: str | None = None
        self._rest = b""

    def give(self, run_id: str, folder: Path) -> None:
        """Hand it a run."""
        assert self.process.stdin is not None
        self.run_id = run_id
        try:
            self.process.stdin.write((json.dumps({"run_dir": str(folder.resolve())}) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died just now; the supervisor sees that when it polls

    def read_events(self) -> list[dict[str, Any]]:
        """Whole events that have arrived since the last call."""
        assert self.process.stdout is not None
        chunk = self.process.stdout.read()
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

    def last_words(self) -> str:
        """Last line of its log, for a message about its death."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""

    def terminate(self) -> None:
        """Ask it to save and stop."""
        if self.alive:
            self.process.terminate()

    def close(self, timeout: float) -> None:
        """Close its input, wait up to `timeout` seconds, then kill it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
