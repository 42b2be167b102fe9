"""Experiment trackers as a sweep file names them (see `dcpt.run.sinks`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dcpt.core.settings import Settings


class MirrorSettings(Settings):
    """Where the runs' journals are mirrored to while the sweep runs; no part of what a run is.

    `project` is the sweep's name in the trackers, by default the one in the file.
    """

    to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")] | None = None
