"""What a tracker has to do to mirror runs, and which ones there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from dcpt.core.errors import ConfigError

FOLDER = "runs/mirror"
"""Folder below the sweep's that mirrors are written into: beside the runs, and gone with them."""


@dataclass(frozen=True)
class MirroredRun:
    """A run as a tracker shows it.

    Parameters
    ----------
    name : str
        The run id: unique, and the same after every resume.
    project, group : str
        The sweep, and the size of the run.
    config : mapping
        The run's spec.
    through : int
        Last step of this attempt that the tracker has been given; -1 when there is none.
    attempt : int
        How often the run had begun again from its start.
    reason : str
        Why it did so the last time.
    """

    name: str
    project: str
    group: str
    config: Mapping[str, Any] = field(default_factory=dict)
    through: int = -1
    attempt: int = 0
    reason: str = ""

    @property
    def label(self) -> str:
        """Name of the attempt, for trackers whose steps never go back: ``RUN``, then ``RUN-retry1``."""
        return f"{self.name}-retry{self.attempt}" if self.attempt else self.name

    @property
    def told(self) -> Mapping[str, Any]:
        """The spec, and in a later attempt what became of the one before."""
        if not self.attempt:
            return self.config
        return {**self.config, "retry": {"attempt": self.attempt, "reason": self.reason}}


class Sink(Protocol):
    """One run in one tracker: opened, told its metrics step by step, closed.

    Any of the three may raise anything, be slow or never return: they are called in a process of their
    own that no run waits for.
    """

    def open(self, run: MirroredRun) -> None:
        """Begin a run, or go on with one whose steps up to ``run.through`` are there.

        At a later attempt steps begin anew: what the earlier one gave is not mixed with it.
        """

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Metrics of one step; steps come in growing order within an attempt."""

    def close(self) -> None:
        """Write out what is held back."""


@dataclass(frozen=True)
class Tracker:
    """A tracker that can be mirrored to.

    Parameters
    ----------
    name : str
        As in ``--mirror``; also the package's name.
    place : str
        Module and class of its `Sink`, imported where it is used.
    at_once : int
        Runs it may have open at a time.
    """

    name: str
    place: str
    at_once: int

    def make(self, folder: Path) -> Sink:
        """A sink that keeps its files in a folder; imports the tracker's package."""
        module, _, name = self.place.partition(":")
        sink: Sink = getattr(import_module(module), name)(folder)
        return sink

    @property
    def installed(self) -> bool:
        """Whether its package is there, without importing it."""
        return find_spec(self.name) is not None


TRACKERS = {
    tracker.name: tracker
    for tracker in (
        Tracker("tensorboard", "dcpt.run.sinks.tensorboard_sink:TensorBoardSink", 16),
        Tracker("wandb", "dcpt.run.sinks.wandb_sink:WandbSink", 8),
        # It has one run per process.
        Tracker("trackio", "dcpt.run.sinks.trackio_sink:TrackioSink", 1),
    )
}


def read_names(text: str) -> tuple[str, ...]:
    """Trackers from a list with commas; ``none`` is no tracker.

    Raises
    ------
    ConfigError
        When one is unknown.
    """
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    if names == ["none"]:
        return ()
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(
                f"mirror: {name!r} is not known; wanted some of {', '.join(TRACKERS)}, or none."
            )
    return tuple(dict.fromkeys(names))
