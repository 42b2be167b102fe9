"""The live check: whether a run's held-out losses stay where its plan expects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.symbols import DENSE
from dcpt.train.evaluate import Measurement
from dcpt.train.journal import Journal

FILE_NAME = "band.json"
SCHEMA_VERSION = 1

KIND = "band"
"""Kind of the journal's rows on it."""


@dataclass(frozen=True)
class Checked:
    """A held-out loss beside its band.

    Attributes
    ----------
    step : int
        Steps done.
    eval_set, metric : str
        What was measured.
    value, lo, mean, hi : float
        Measured; the band of a run's loss, and its middle.
    inside : bool
        Whether the value lies in the band.
    changed : bool
        Whether it has just left the band, or just come back.
    """

    step: int
    eval_set: str
    metric: str
    value: float
    lo: float
    mean: float
    hi: float
    inside: bool
    changed: bool


class LiveBand:
    """Holds a run's evaluations against ``band.json``; a run without the file is not checked.

    The file is laid out by `dcpt.launch.band` before the run starts: one row per step, evaluation set and
    metric with ``lo``, ``mean`` and ``hi``.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    journal : Journal, optional
        Rewound: it says how the last checks ended.

    Raises
    ------
    DataError
        When the file is damaged.
    """

    def __init__(self, run_dir: Path, journal: Journal | None = None) -> None:
        self.rows: dict[tuple[int, str, str], tuple[float, float, float]] = {}
        self.inside: dict[tuple[str, str], bool] = {}
        path = run_dir / FILE_NAME
        if not path.exists():
            return
        document = files.read_json(path, "the band of a run", SCHEMA_VERSION)
        try:
            for row in document["rows"]:
                place = (int(row["step"]), str(row["eval_set"]), str(row["metric"]))
                self.rows[place] = (float(row["lo"]), float(row["mean"]), float(row["hi"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: is damaged ({type(error).__name__}: {error}).", hint="delete it, or launch again"
            ) from None
        for row in journal.rows(KIND) if journal is not None else ():
            self.inside[_place(row["eval_set"], row["metric"])] = bool(row["inside"])

    def check(self, step: int, measurements: Sequence[Measurement]) -> list[Checked]:
        """The losses of an evaluation that have a band.

        Parameters
        ----------
        step : int
            Steps done.
        measurements : sequence of Measurement
            What was measured then.
        """
        found = []
        for item in measurements:
            band = self.rows.get((step, item.eval_set, item.metric))
            if band is None:
                continue
            place = _place(item.eval_set, item.metric)
            inside = band[0] <= item.value <= band[2]
            changed = inside != self.inside.get(place, True)
            self.inside[place] = inside
            found.append(Checked(step, item.eval_set, item.metric, item.value, *band, inside, changed))
        return found


def _place(eval_set: str, metric: str) -> tuple[str, str]:
    # A loss on a part of the windows (general/dense) tells of the same set as that on all of them.
    return eval_set.removesuffix(f"/{DENSE}"), metric


def report_checks(journal: Journal, checks: Sequence[Checked]) -> list[dict[str, Any]]:
    """Log the checks; the events on those that have left their band, or come back."""
    rows = [{"kind": KIND, **vars(item)} for item in checks]
    files.append_lines(journal.path, rows)
    return [{"event": KIND, **vars(item)} for item in checks if item.changed]
