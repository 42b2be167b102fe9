"""torchrun on this machine: started, listened to, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dcpt.core.errors import DataError
from dcpt.launch.full_settings import AGENT_ENVIRONMENT

GRACE = 120.0
"""Seconds the processes get to save their state when they are asked to stop."""

POLL_SECONDS = 0.5


class Agent:
    """A torchrun that trains one run; use as a context manager.

    Parameters
    ----------
    command : sequence of str
        As `FullSettings.here` gives it; the id of this process is added, without which the run is to save
        and stop.
    log : Path
        File that the standard error of torchrun and its processes is appended to.
    hold : int
        File descriptor of the lock on the sweep's folder; torchrun keeps it until it ends.
    here : bool
        Whether its processes are this machine's; else the command is srun, which ends with this process
        and passes signals on.
    """

    def __init__(self, command: Sequence[str], log: Path, hold: int, here: bool = True) -> None:
        environment = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
        environment |= {"TOKENIZERS_PARALLELISM": "false", **AGENT_ENVIRONMENT}
        self.log, self.here = log, here
        self.first: int | None = None  # process id of the rank that the others follow
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            errors = open(log, "ab")  # noqa: SIM115 (closed below, by the with)
        except OSError as error:
            raise DataError(f"{log}: could not be opened: {error.strerror or error}.") from error
        with errors:
            self._log_start = errors.tell()
            self.process = subprocess.Popen(
                [*command, *(["--parent", str(os.getpid())] if here else [])],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                pass_fds=(hold,),
                start_new_session=True,  # Ctrl-C reaches this process alone, which stops the others
            )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        os.set_blocking(self.output.fileno(), False)
        self._rest = b""

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def events(self, stop: Callable[[], bool] = lambda: False) -> Iterator[dict[str, Any]]:
        """What the processes say, until torchrun ends or `stop`, asked every now and then, says so."""
        alive = True
        while alive and not stop():
            select.select([self.output], [], [], POLL_SECONDS)
            # The exit is looked at before the pipe is read: what a dying process said still counts.
            alive = self.process.poll() is None
            for event in self._read():
                if event["event"] == "started" and self.here:
                    self.first = int(event["pid"])
                yield event

    def stop(self) -> None:
        """Let the run save its state and end; kill what is there after `GRACE` seconds."""
        if self.process.poll() is None:
            # One rank is enough: they agree after every step. Before it has begun there is nothing to save.
            with contextlib.suppress(ProcessLookupError):
                if self.first is not None:
                    os.kill(self.first, signal.SIGTERM)
                else:
                    self.process.terminate()
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                try:
                    self.process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    self.kill()
        self.output.close()

    def kill(self) -> None:
        """Kill torchrun and its processes, which are sessions of their own."""
        import psutil

        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait()

    def last_words(self) -> str:
        """How torchrun ended: the last error any of its processes wrote."""
        try:
            with open(self.log, "rb") as file:
                file.seek(self._log_start)
                lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        errors = [line for line in lines if "Error: " in line and not line.startswith((" ", "["))]
        return (errors or lines or [f"torchrun ended with {self.process.returncode}"])[-1][:300]

    def _read(self) -> list[dict[str, Any]]:
        chunk = self.output.read()
        if not chunk:
            return []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found = []
        for line in lines:
            try:
                event = json.loads(line)
            except (UnicodeDecodeError, json.JSONDecodeError):
                continue
            if isinstance(event, dict) and "event" in event:
                found.append(event)
        return found
