"""The folder of a run is its record: spec, journal of metrics, checkpoints, outcome."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import SCHEMA_VERSION, RunSpec, from_dict, to_dict

Status = Literal["finished", "failed", "abandoned", "started", "waiting"]


def run_folder(root: Path | str, run_id: str) -> Path:
    """Folder of a run below the sweep's root."""
    return Path(root) / "runs" / run_id


def write_spec(root: Path | str, spec: RunSpec) -> Path:
    """Lay out a run's folder; a folder that is already there is left as it is."""
    folder = run_folder(root, spec.run_id)
    path = folder / "spec.json"
    if not path.exists():
        files.write_json(path, {"schema_version": SCHEMA_VERSION, **to_dict(spec)})
    return folder


def read_spec(folder: Path | str) -> RunSpec:
    """The spec of a run's folder.

    Raises
    ------
    DataError, ConfigError
        When the file is absent, damaged or of another schema version.
    """
    path = Path(folder) / "spec.json"
    document = files.read_json(path, "a run spec", SCHEMA_VERSION)
    document.pop("schema_version")
    return from_dict(RunSpec, document, str(path))


def status(folder: Path | str) -> Status:
    """What became of a run so far; ``started`` means that a checkpoint or a metric is there."""
    folder = Path(folder)
    record = RunRecord.load(folder)
    if record is not None:
        return record.status
    return "started" if (folder / "metrics.jsonl").exists() else "waiting"


def read_metrics(folder: Path | str, kind: str = "eval") -> list[dict[str, Any]]:
    """Rows of one kind from a run's journal, the last one per step and key.

    A resumed run may have logged a step twice; the later row counts.

    Raises
    ------
    DataError
        When a row lacks its step, or the journal is damaged before its last line.
    """
    path = Path(folder) / "metrics.jsonl"
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, row in enumerate(files.read_lines(path), start=1):
        if row.get("kind") != kind:
            continue
        if "step" not in row:
            raise DataError(f"{path} line {number}: an {kind} row has no step.")
        rows[(row["step"], row.get("eval_set"), row.get("metric"))] = row
    return list(rows.values())


def discard_record(folder: Path | str) -> None:
    """Forget how a run ended, so that it is tried again from its last checkpoint."""
    (Path(folder) / "record.json").unlink(missing_ok=True)


def remove_checkpoints(folder: Path | str) -> None:
    """Delete a run's checkpoints; its losses stay."""
    shutil.rmtree(Path(folder) / "checkpoints", ignore_errors=True)
