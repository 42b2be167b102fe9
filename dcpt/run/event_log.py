"""Events by way of a file: a process of another machine writes them, the runner reads on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from dcpt.run.executor import Event

PROGRESS_SECONDS = 2.0
"""Least time between two progress events of a run: the disk may be far away."""


class EventWriter:
    """Appends events to a file, one JSON object per line.

    An event that cannot be written (a full disk) is passed over: the run's folder says how it ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told: dict[str, float] = {}

    def write(self, event: Event) -> None:
        """Append one event; a progress event only when the run's last one is some time ago."""
        name = str(event.get("run_id", ""))
        if event["event"] == "progress":
            now = time.monotonic()
            if now - self._told.get(name, -PROGRESS_SECONDS) < PROGRESS_SECONDS:
                return
            self._told[name] = now
        with contextlib.suppress(OSError), open(self.path, "ab") as file:
            file.write((json.dumps(event) + "\n").encode("utf-8"))


class EventReader:
    """Reads whole lines of such a file, each once.

    Parameters
    ----------
    path : path
        It need not be there yet.
    skip : bool
        Whether what it holds already is passed over.
    """

    def __init__(self, path: Path, skip: bool = False) -> None:
        self.path = path
        self._at = path.stat().st_size if skip and path.exists() else 0

    def read(self) -> list[Event]:
        """Events written since the last call; a line that is no event is passed over."""
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size <= self._at:
                    return []
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        events = []
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and "event" in event:
                    events.append(event)
        return events
