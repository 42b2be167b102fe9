"""TensorBoard: one folder of event files per run, written without torch or TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.metadata import create_summary_metadata
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from dcpt.run.sinks.sink import MirroredRun


class TensorBoardSink:
    """Scalars below ``FOLDER/<run>``; a run gone on with takes back what stands there of later steps.

    Parameters
    ----------
    folder : path
        Log folder, as for ``tensorboard --logdir``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: set[str] = set()

    def open(self, run: MirroredRun) -> None:
        """Begin another event file."""
        self._seen.clear()
        self._writer = EventFileWriter(str(self.folder / run.name))
        # TensorBoard drops what it has read of this step and later ones when it meets this event: of a run
        # that begins again all of the attempt before.
        start = SessionLog(status=SessionLog.START)
        self._writer.add_event(Event(wall_time=time.time(), step=run.through + 1, session_log=start))
        if run.attempt and run.through < 0:
            told = text_pb("retry", f"attempt {run.attempt + 1}, the data in another order: {run.reason}")
            self._writer.add_event(Event(wall_time=time.time(), step=0, summary=told))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One event with all scalars of the step."""
        summary = Summary()
        for name, number in values.items():
            value = summary.value.add(tag=name, simple_value=number)
            if name not in self._seen:
                value.metadata.CopyFrom(create_summary_metadata(display_name="", description=""))
                self._seen.add(name)
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        """Write out and close the file."""
        self._writer.close()
