"""The end of a growing journal: whole steps, each handed out once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Step = tuple[int, dict[str, float]]

RETRY = "retry"
"""Kind of the row that a run leaves when it begins again from its start."""

_MARK = 256
"""Bytes by which a journal is known again: more than a row of the training loss has."""


class JournalTail:
    """Reads what has been added to a run's journal, step by step.

    A step is handed out when a later one has begun or the run has ended: until then rows of it may follow.
    Steps up to the last one that was handed out are passed over, so that what a resumed run logs a second
    time is not mirrored a second time. A run that begins again from its start (after a spike, with its data
    in another order) is at another attempt: its steps are handed out from the first one on.

    Parameters
    ----------
    path : path
        ``metrics.jsonl``; it need not be there yet.
    through : int
        Last step that was handed out before.
    attempt : int
        Attempt it belonged to: how often the run had begun again.

    Attributes
    ----------
    attempt : int
        Attempt that the step handed out last belongs to.
    reason : str
        Why it began; empty for the first attempt.
    """

    def __init__(self, path: Path, through: int = -1, attempt: int = 0) -> None:
        self.path, self.through, self.attempt = path, through, attempt
        self.reason = ""
        self._read_attempt = 0  # of the rows at the offset
        self._file: tuple[int, int] = (0, 0)
        self._offset = 0
        self._before = b""  # the last bytes before the offset
        self._step = through
        self._values: dict[str, float] = {}

    def read(self, ended: bool = False) -> Iterator[Step]:
        """Steps that are whole by now, with their metrics.

        Parameters
        ----------
        ended : bool
            Whether the run has come to its end, so that the last step is whole, too.

        Raises
        ------
        OSError
            When the journal is there and cannot be read.
        """
        for row in self._rows():
            if row.get("kind") == RETRY:
                self._read_attempt += 1
                if self._read_attempt == self.attempt:
                    self.reason = str(row.get("reason", ""))
                elif self._read_attempt > self.attempt:
                    yield from self._finish()
                    self.attempt, self.reason = self._read_attempt, str(row.get("reason", ""))
                    self.through = self._step = -1
            step = row.get("step")
            # A journal keeps what happened in attempts that it has no steps of any more.
            if not isinstance(step, int) or step <= self.through or self._read_attempt < self.attempt:
                continue
            if step > self._step:
                yield from self._finish()
                self._step = step
            self._values |= metrics_of(row)
        if ended:
            yield from self._finish()

    def _finish(self) -> Iterator[Step]:
        if self._values:
            step, values = self._step, self._values
            self.through, self._values = step, {}
            yield step, values

    def _rows(self) -> Iterator[dict[str, Any]]:
        try:
            file = open(self.path, "rb")  # noqa: SIM115 (closed by the with below)
        except FileNotFoundError:
            return
        with file:
            stat = os.fstat(file.fileno())
            file.seek(max(0, self._offset - len(self._before)))
            # A run that is started again writes its journal anew; the number of a deleted file may come back.
            known = file.read(len(self._before)) == self._before
            if (stat.st_dev, stat.st_ino) != self._file or stat.st_size < self._offset or not known:
                self._file, self._offset, self._before = (stat.st_dev, stat.st_ino), 0, b""
                self._step, self._values, self._read_attempt = self.through, {}, 0
            file.seek(self._offset)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._offset += end
        self._before = (self._before + data[:end])[-_MARK:]
        for line in data[:end].splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # whoever needs the journal whole says so; a mirror shows what can be read
            if isinstance(row, dict):
                yield row


def metrics_of(row: dict[str, Any]) -> dict[str, float]:
    """Names and values under which a row of a journal is mirrored.

    An evaluation gives ``loss/general`` or ``bpb/domain``, and where it stands ``at/D``, ``at/S1``; other
    kinds of rows give ``train/loss``, ``mixture/share:law``.
    """
    kind = str(row.get("kind"))
    numbers = {
        name: float(value)
        for name, value in row.items()
        if name != "step" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    if "eval_set" not in row:
        return {f"{kind}/{name}": value for name, value in numbers.items()}
    value, sem = numbers.pop("value", None), numbers.pop("sem", None)
    numbers.pop("n_eval_tokens", None)
    name = f"{row.get('metric')}/{row['eval_set']}"
    measured = {} if value is None else {name: value}
    if sem is not None:
        measured[f"sem/{name}"] = sem
    return measured | {f"at/{key}": number for key, number in numbers.items()}
