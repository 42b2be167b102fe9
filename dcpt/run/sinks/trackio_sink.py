"""trackio: a local database in the sweep's folder; no server, no dashboard, no space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dcpt.run.sinks.sink import MirroredRun

_ELSEWHERE = (
    "TRACKIO_SPACE_ID",
    "TRACKIO_SERVER_URL",
    "TRACKIO_BUCKET_ID",
    "TRACKIO_DATASET_ID",
    "TRACKIO_WEBHOOK_URL",
)
"""Environment variables by which it would send runs away."""


class TrackioSink:
    """One trackio run per run, in the project of the sweep, and one more for each time that it begins again.

    ``TRACKIO_DIR`` is obeyed; without it the database lies in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        # It reads its environment once, when it is imported.
        os.environ.setdefault("TRACKIO_DIR", str(folder.resolve()))
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        for name in _ELSEWHERE:
            os.environ.pop(name, None)
        import trackio

        self._trackio: Any = trackio
        self._run: Any = None

    def open(self, run: MirroredRun) -> None:
        """Begin the run, or go on with it."""
        self._run = self._trackio.init(
            project=run.project,
            name=run.label,
            group=run.group,
            config=dict(run.told),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Queue the metrics of a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Write out the queue."""
        self._trackio.finish()
